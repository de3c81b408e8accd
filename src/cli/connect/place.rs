//! From the words after `--connect` to the endpoints of a hub.

use std::net::IpAddr;

/// Where a hub listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hub {
    /// Its XPUB, where members subscribe.
    pub xpub: String,
    /// Its XSUB, where members publish.
    pub xsub: String,
}

/// XPUB ports that a host alone may mean, in the order in which they are tried: zeekctl's and ours, and Zeek's own.
const PORTS: [u16; 2] = [27760, 5555];

impl Hub {
    /// At an address, with the XSUB at another port.
    pub fn at(ip: IpAddr, xpub: u16, xsub: u16) -> Hub {
        let endpoint = |port| match ip {
            IpAddr::V4(ip) => format!("tcp://{ip}:{port}"),
            IpAddr::V6(ip) => format!("tcp://[{ip}]:{port}"),
        };
        Hub { xpub: endpoint(xpub), xsub: endpoint(xsub) }
    }
}

/// The places where the hub of a cluster may be of which only the address is known.
pub fn anywhere(ip: IpAddr) -> Vec<Hub> {
    PORTS.into_iter().map(|port| Hub::at(ip, port, port + 1)).collect()
}

/// Reads `HOST`, `HOST:PORT` or `XPUB_ENDPOINT,XSUB_ENDPOINT`; several hubs are places to try in that order.
pub fn parse(text: &str, resolve: &dyn Fn(&str) -> Option<IpAddr>) -> Result<Vec<Hub>, String> {
    if let Some((xpub, xsub)) = text.split_once(',') {
        return Ok(vec![Hub { xpub: endpoint(xpub)?, xsub: endpoint(xsub)? }]);
    }
    if text.contains("://") {
        return Err("one endpoint is not enough; expected XPUB_ENDPOINT,XSUB_ENDPOINT".to_owned());
    }
    if text.contains('/') {
        return Err("there is no such folder".to_owned());
    }
    let (host, port) = host_and_port(text)?;
    let ip = resolve(host).ok_or_else(|| format!("the name `{host}` does not resolve"))?;
    let ports = port.map_or(PORTS.to_vec(), |port| vec![port]);
    ports
        .into_iter()
        .map(|port| match port.checked_add(1) {
            Some(next) if port > 0 => Ok(Hub::at(ip, port, next)),
            _ => Err(format!("`{port}` cannot be the hub's port: its XSUB listens at the next one")),
        })
        .collect()
}

/// `tcp://HOST:PORT`, or without the protocol.
fn endpoint(text: &str) -> Result<String, String> {
    let text = text.trim();
    let rest = text.strip_prefix("tcp://").unwrap_or(text);
    match rest.rsplit_once(':').map(|(host, port)| (host, port.parse::<u16>())) {
        Some((host, Ok(1..))) if !host.is_empty() && !rest.contains('/') => Ok(format!("tcp://{rest}")),
        _ => Err(format!("`{text}` is no endpoint; expected tcp://HOST:PORT")),
    }
}

/// The port is none when there is none. An IPv6 address with a port stands in brackets.
fn host_and_port(text: &str) -> Result<(&str, Option<u16>), String> {
    let port = |port: &str| port.parse().map(Some).map_err(|_| format!("`{port}` is no port number"));
    if text.parse::<IpAddr>().is_ok() {
        return Ok((text, None));
    }
    if let Some((host, rest)) = text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return Ok((host, rest.strip_prefix(':').map(port).transpose()?.flatten()));
    }
    match text.rsplit_once(':') {
        Some((host, number)) => Ok((host, port(number)?)),
        None if text.is_empty() => Err("expected a host".to_owned()),
        None => Ok((text, None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<&[(&str, &str)], &str>) {
        let resolve = |name: &str| match name {
            "manager.example" => Some(IpAddr::from([192, 0, 2, 10])),
            other => other.parse().ok(),
        };
        let hub = |(xpub, xsub): &(&str, &str)| Hub { xpub: (*xpub).into(), xsub: (*xsub).into() };
        let expected = expected.map(|hubs| hubs.iter().map(hub).collect::<Vec<_>>()).map_err(str::to_owned);
        assert_eq!(parse(text, &resolve), expected, "{text}");
    }

    #[test]
    fn a_host_alone_means_zeekctls_ports_and_then_zeeks() {
        let hubs =
            [("tcp://192.0.2.10:27760", "tcp://192.0.2.10:27761"), ("tcp://192.0.2.10:5555", "tcp://192.0.2.10:5556")];
        check("manager.example", Ok(&hubs));
        check(
            "2001:db8::1",
            Ok(&[
                ("tcp://[2001:db8::1]:27760", "tcp://[2001:db8::1]:27761"),
                ("tcp://[2001:db8::1]:5555", "tcp://[2001:db8::1]:5556"),
            ]),
        );
    }

    #[test]
    fn ports_and_endpoints_are_taken_as_they_are() {
        check("manager.example:4000", Ok(&[("tcp://192.0.2.10:4000", "tcp://192.0.2.10:4001")]));
        check("[::1]:4000", Ok(&[("tcp://[::1]:4000", "tcp://[::1]:4001")]));
        check("tcp://a:1,tcp://b:2", Ok(&[("tcp://a:1", "tcp://b:2")]));
        check("a:1, [::1]:2", Ok(&[("tcp://a:1", "tcp://[::1]:2")]));
    }

    #[test]
    fn what_is_no_place_is_refused_in_words() {
        check("nowhere.example", Err("the name `nowhere.example` does not resolve"));
        check("a:x", Err("`x` is no port number"));
        check("192.0.2.10:65535", Err("`65535` cannot be the hub's port: its XSUB listens at the next one"));
        check("tcp://a:1", Err("one endpoint is not enough; expected XPUB_ENDPOINT,XSUB_ENDPOINT"));
        check("a,b", Err("`a` is no endpoint; expected tcp://HOST:PORT"));
        check("/opt/zek", Err("there is no such folder"));
        check("", Err("expected a host"));
    }
}
