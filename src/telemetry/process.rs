//! The process itself: `process_*`, as Zeek and most others name them.

use procfs::WithCurrentSystemInfo;
use procfs::process::Process;

use super::registry::Families;

/// What the system says of this process; nothing where `/proc` cannot be read.
pub fn process(families: &mut Families) {
    let Ok((process, stat)) = Process::myself().and_then(|process| process.stat().map(|stat| (process, stat))) else {
        return;
    };
    let seconds = |ticks: u64| ticks as f64 / procfs::ticks_per_second() as f64;
    families.real_counter("process_cpu_user_seconds_total", "Total user CPU time spent", seconds(stat.utime));
    families.real_counter("process_cpu_system_seconds_total", "Total system CPU time spent", seconds(stat.stime));
    families.gauge("process_resident_memory_bytes", "Resident memory size", stat.rss_bytes().get());
    families.gauge("process_virtual_memory_bytes", "Virtual memory size", stat.vsize);
    if let Ok(count) = process.fd_count() {
        families.gauge("process_open_fds", "Number of open file descriptors", count as u64);
    }
    if let Ok(booted) = procfs::boot_time_secs() {
        let started = booted as f64 + seconds(stat.starttime);
        families.real_gauge("process_start_time_seconds", "Process start time", started);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::metrics::MetricValue;
    use crate::telemetry::Registry;
    use std::time::{SystemTime, UNIX_EPOCH};

    #[test]
    fn this_process_has_memory_files_and_a_recent_start() {
        let gathered = Registry::new("node", "n").gather(process);
        let value = |name: &str| {
            let found = gathered.iter().find(|family| family.name == name).expect(name);
            match found.samples[0].value {
                MetricValue::Count(count) => count as f64,
                MetricValue::Real(value) => value,
                MetricValue::Histogram(_) | MetricValue::Summary(_) => panic!("{name} is one number"),
            }
        };
        assert!(value("process_resident_memory_bytes") > 1e6);
        assert!(value("process_virtual_memory_bytes") >= value("process_resident_memory_bytes"));
        assert!(value("process_open_fds") >= 3.0);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
        let age = now - value("process_start_time_seconds");
        assert!((-5.0..3600.0).contains(&age), "{age}");
    }
}
