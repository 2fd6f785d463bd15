//! Edge and mesh proxying: policies over the data plane.
