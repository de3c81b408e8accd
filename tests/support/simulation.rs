//! Seeds, stories and the shortest story: what all tests share that let chance choose what happens. A story is a list of
//! operations that a seed has chosen; the same seed and the same list always end alike. Also used by the simulations in
//! `src/`.

use std::fmt::Debug;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// The seed to play, and no other one.
const SEED: &str = "ZEEK_CLUSTER_SEED";
/// How many seeds to play.
const SEEDS: &str = "ZEEK_CLUSTER_SEEDS";
/// How often a story may be played to find a shorter one.
const ATTEMPTS: usize = 600;

/// Numbers that a seed decides (SplitMix64).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// A number below `limit`, or zero where nothing is below it.
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % limit.max(1) as u64) as usize
    }

    /// One of these.
    pub fn one_of<'t, T>(&mut self, choices: &'t [T]) -> &'t T {
        &choices[self.below(choices.len())]
    }
}

/// The number in an environment variable; none where it is unset or empty.
///
/// # Panics
/// If it holds anything else.
pub fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok().filter(|text| !text.is_empty())?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is `{text}`, but a number was expected")))
}

/// The one seed that the environment asks for.
pub fn seed() -> Option<u64> {
    number(SEED)
}

/// Plays the stories of seeds from 0 up, as many as `ZEEK_CLUSTER_SEEDS` says or else `count`, or only that of
/// `ZEEK_CLUSTER_SEED`, on all processors.
///
/// # Panics
/// If a story fails: with the seed, the reason, and the shortest story found that fails too.
pub fn play_all<T: Clone + Debug + Send>(
    count: u64,
    story: impl Fn(u64) -> Vec<T> + Sync,
    play: impl Fn(u64, &[T]) -> Result<(), String> + Sync,
) {
    let seeds = seed().map_or(0..number(SEEDS).unwrap_or(count), |seed| seed..seed + 1);
    play_range(seeds, story, play);
}

fn play_range<T: Clone + Debug + Send>(
    seeds: Range<u64>,
    story: impl Fn(u64) -> Vec<T> + Sync,
    play: impl Fn(u64, &[T]) -> Result<(), String> + Sync,
) {
    let next = AtomicU64::new(seeds.start);
    let over = AtomicBool::new(false);
    let failed: Mutex<Option<(u64, String)>> = Mutex::new(None);
    let worker = || {
        while !over.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return;
            }
            if let Err(why) = play(seed, &story(seed)) {
                over.store(true, Ordering::Relaxed);
                failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert((seed, why));
            }
        }
    };
    let workers = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| (0..workers).for_each(|_| drop(scope.spawn(worker))));
    if let Some((seed, why)) = failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
        let (short, last) = shortest(&story(seed), |story| play(seed, story).err());
        let lines: Vec<String> = short.iter().map(|step| format!("  {step:?}")).collect();
        let last = last.unwrap_or_else(|| why.clone());
        panic!("{SEED}={seed}: {why}\nthe shortest story, in which {last}:\n{}", lines.join("\n"));
    }
}

/// Leaves out of a story whatever it fails without (delta debugging): a story of which no single step can be spared, unless
/// the attempts run out, and why that one fails.
pub fn shortest<T: Clone>(story: &[T], mut fails: impl FnMut(&[T]) -> Option<String>) -> (Vec<T>, Option<String>) {
    let mut short = story.to_vec();
    let mut why = None;
    let mut piece = short.len().div_ceil(2);
    let mut attempts = 0;
    while piece > 0 && !short.is_empty() {
        let mut at = 0;
        let before = short.len();
        while at < short.len() && attempts < ATTEMPTS {
            let end = (at + piece).min(short.len());
            let without: Vec<T> = short[..at].iter().chain(&short[end..]).cloned().collect();
            attempts += 1;
            match fails(&without) {
                Some(reason) => (short, why) = (without, Some(reason)),
                None => at = end,
            }
        }
        let is_done = piece == 1 && short.len() == before;
        piece = if is_done || attempts >= ATTEMPTS { 0 } else { piece.min(short.len()).div_ceil(2).max(1) };
    }
    (short, why)
}

#[test]
fn the_shortest_story_has_only_the_steps_that_it_fails_by() {
    let story: Vec<usize> = (0..200).collect();
    let needs = [17, 18, 140];
    let mut plays = 0;
    let (short, why) = shortest(&story, |story| {
        plays += 1;
        needs.iter().all(|step| story.contains(step)).then(|| format!("{} steps", story.len()))
    });
    assert_eq!((short.as_slice(), why.as_deref()), (needs.as_slice(), Some("3 steps")));
    assert!(plays < 100, "{plays} plays");
}

#[test]
fn a_story_that_fails_whatever_happens_needs_no_step() {
    let (short, why) = shortest(&[1, 2, 3], |_| Some("always".to_owned()));
    assert_eq!((short, why.as_deref()), (Vec::<i32>::new(), Some("always")));
}

#[test]
fn a_failing_seed_tells_its_number_and_its_shortest_story() {
    let play = |seed: u64, story: &[usize]| match seed == 3 && story.contains(&5) {
        true => Err("five came".to_owned()),
        false => Ok(()),
    };
    let fifty = |_| (0..50).collect::<Vec<usize>>();
    let told = std::panic::catch_unwind(|| play_range(0..10, fifty, play)).expect_err("it fails");
    let told = told.downcast_ref::<String>().expect("a text");
    assert_eq!(told, "ZEEK_CLUSTER_SEED=3: five came\nthe shortest story, in which five came:\n  5");
}
