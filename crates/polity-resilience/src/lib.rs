//! Backoff, retry budgets and limits, free of I/O.
