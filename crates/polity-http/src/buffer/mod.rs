//! Buffers of the data plane: of one size, kept ready by each thread, and held only by what has something in them.

mod input;
mod output;
mod pool;

pub(crate) use input::Input;
pub(crate) use output::Output;
pub(crate) use pool::BufferPool;
