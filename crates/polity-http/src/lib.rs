//! The HTTP/1.1 data plane: listeners, framing, pools and forwarding.
