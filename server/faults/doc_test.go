// Package faults breaks what a server stands on, while phones refresh: it kills the server's own process, crashes
// PostgreSQL, promotes a replica that lags behind, restores an old backup.
//
// Its one rule: real processes. The server is the built program, PostgreSQL is started from the binaries of the machine,
// and the phones know nothing but their last refresh token. Two promises are counted: nobody is forced to sign in, and no
// ending that was acknowledged is undone.
//
// It holds tests alone. `make soak` runs them for longer.
package faults
