// Package faults breaks what a server stands on, while phones refresh: it kills the server's own process, crashes
// PostgreSQL, promotes a replica that lags behind, restores an old backup.
//
// Its one rule: real processes. The server is the built program, PostgreSQL is started from the binaries of the machine,
// and the phones know nothing but their last refresh token. Two promises are counted: nobody is forced to sign in, and no
// ending that was acknowledged is undone.
//
// TestChaos does all that and more to a whole cluster (test/cluster) behind its balancer, in an order that SOJOURN_SEED repeats. What
// phones, thieves and those who sign out saw must be explained by one order of requests under the rotation rule, which porcupine
// checks; each ending must reach its Event, the app's server and the person's other phone, and each mail its mailbox, once it happened and
// not otherwise.
//
// It holds tests alone. `make soak` runs them for longer.
package faults
