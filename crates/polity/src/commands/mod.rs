//! The commands, one file each.

pub mod check;
pub mod deploy;
pub mod down;
pub mod events;
pub mod groups;
pub mod init;
pub mod logs;
pub mod ps;
pub mod restart;
pub mod run;
pub mod scale;
pub mod schema;
pub mod topics;
pub mod up;
