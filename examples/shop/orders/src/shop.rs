//! The order's saga: reserve, then place; and when that fails, undo it.
//!
//! What is asked of the inventory carries the order's id and may be repeated without harm. The order
//! is written down as pending before, so whatever becomes of this process, an order that was not
//! placed is found and undone later. Once it is placed it ships, sooner or later: the customer does
//! not wait for that.

use std::thread;
use std::time::Duration;

use axum::http::StatusCode;

use crate::callee::{Callee, Trail};
use crate::problem::Problem;
use crate::store::{Order, Store, Wish};

/// How often unfinished orders are looked for.
const RECOVERY_INTERVAL: Duration = Duration::from_secs(15);

/// An order pending for so long has nobody left who works on it: its calls may take a sixth of it.
const ABANDONED_AFTER: Duration = Duration::from_secs(60);

pub struct Shop {
    pub store: Store,
    pub inventory: Callee,
}

impl Shop {
    pub fn place(&self, wish: Wish, trail: &Trail) -> Result<Order, Problem> {
        let id = self.store.begin(&wish)?;
        let placed = self.carry_out(id.clone(), wish, trail);
        if placed.is_err()
            && let Err(later) = self.undo(&id, trail)
        {
            eprintln!("order {id} is undone later: {}", later.detail);
        }
        placed
    }

    fn carry_out(&self, id: String, wish: Wish, trail: &Trail) -> Result<Order, Problem> {
        self.inventory
            .put(&format!("/reservations/{id}"), &wish, trail)?;
        self.store.place(id, wish)?.ok_or_else(|| {
            Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "the order took too long and was given up, try again",
            )
        })
    }

    /// Undoes the reservation whether or not it is known to be done: a call that timed out may have
    /// arrived. The order is forgotten last, so that a failure here is tried again.
    fn undo(&self, id: &str, trail: &Trail) -> Result<(), Problem> {
        if self.store.give_up(id)? {
            self.inventory
                .delete(&format!("/reservations/{id}"), trail)?;
            self.store.forget(id)?;
        }
        Ok(())
    }

    /// Runs for as long as the service does.
    pub fn keep_recovering(&self) {
        loop {
            if let Err(problem) = self.recover(ABANDONED_AFTER) {
                eprintln!("unfinished orders are undone later: {}", problem.detail);
            }
            thread::sleep(RECOVERY_INTERVAL);
        }
    }

    /// Undoes the orders that failed while they could not be undone, and those left pending by a
    /// process that died.
    pub fn recover(&self, abandoned_after: Duration) -> Result<(), Problem> {
        for id in self.store.unfinished(abandoned_after)? {
            self.undo(&id, &Trail::default())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
