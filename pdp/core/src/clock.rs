//! The clock of deadlines.

use std::sync::atomic::{AtomicI64, Ordering};

use rustix::time::{ClockId, clock_gettime};

/// Counts suspended time too, and nobody sets it: a lease that ran out while the machine slept has run out.
#[cfg(not(target_os = "macos"))]
const BOOTTIME: ClockId = ClockId::Boottime;
/// Of this name, but on this system it does count suspended time.
#[cfg(target_os = "macos")]
const BOOTTIME: ClockId = ClockId::Monotonic;

const NS_PER_SECOND: i64 = 1_000_000_000;

/// Nanoseconds; only differences mean something. Never the wall clock, which can be set.
#[derive(Debug)]
pub enum Clock {
    Boottime,
    /// Stands still but for `set_ns`, for simulations.
    Manual(AtomicI64),
}

impl Clock {
    pub fn manual() -> Self {
        Self::Manual(AtomicI64::new(0))
    }

    pub fn now_ns(&self) -> i64 {
        match self {
            Self::Boottime => {
                let now = clock_gettime(BOOTTIME);
                now.tv_sec.saturating_mul(NS_PER_SECOND).saturating_add(now.tv_nsec)
            }
            Self::Manual(now) => now.load(Ordering::SeqCst),
        }
    }

    /// Sets a manual clock; false: this is the machine's.
    pub fn set_ns(&self, now_ns: i64) -> bool {
        match self {
            Self::Boottime => false,
            Self::Manual(now) => {
                now.store(now_ns, Ordering::SeqCst);
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Clock;

    #[test]
    fn the_machine_s_clock_goes_on_and_a_manual_one_stands() {
        let machine = Clock::Boottime;
        let before = machine.now_ns();
        assert!(before > 0);
        std::thread::sleep(std::time::Duration::from_millis(2));
        assert!(machine.now_ns() >= before + 2_000_000);
        assert!(!machine.set_ns(0));
        let manual = Clock::manual();
        assert!(manual.set_ns(-7));
        assert_eq!((manual.now_ns(), manual.now_ns()), (-7, -7));
    }
}
