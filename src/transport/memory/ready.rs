//! Which members have something under way, so that one of them can be chosen at once however many there are.

/// Towards the hub, or from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Up,
    Down,
}

/// A set of members and ways; the same calls give the same order.
#[derive(Debug, Default)]
pub(super) struct Ready {
    waiting: Vec<(usize, Way)>,
    /// By member and way the place in `waiting` plus one; zero where nothing waits.
    places: Vec<[usize; 2]>,
}

impl Ready {
    /// Says how much a member has under way.
    pub(super) fn set(&mut self, number: usize, way: Way, under_way: usize) {
        if self.places.len() <= number {
            self.places.resize(number + 1, [0, 0]);
        }
        let place = self.places[number][way as usize];
        if place == 0 && under_way > 0 {
            self.waiting.push((number, way));
            self.places[number][way as usize] = self.waiting.len();
        } else if place > 0 && under_way == 0 {
            self.waiting.swap_remove(place - 1);
            self.places[number][way as usize] = 0;
            if let Some((moved, its_way)) = self.waiting.get(place - 1) {
                self.places[*moved][*its_way as usize] = place;
            }
        }
    }

    /// A member that is gone.
    pub(super) fn remove(&mut self, number: usize) {
        self.set(number, Way::Up, 0);
        self.set(number, Way::Down, 0);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn at(&self, place: usize) -> (usize, Way) {
        self.waiting[place]
    }
}
