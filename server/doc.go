// Package server puts everything together: it builds the domain, the surfaces and the database's clock by hand, gives every
// request an id, a limit and a line in the log, and runs the listeners and the loops behind them.
//
// Its one rule: what is true of every request is said here once, so that no surface has to remember it: who called
// (behind trusted proxies), which headers every answer carries, which origins may read or post, how much a body may hold,
// and where our own fetches may lead.
//
// It holds no rule of the domain and no protocol. Nothing of ours imports it but cmd and tests.
package server
