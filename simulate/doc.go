// Package simulate puts phones, dead networks and thieves in front of the server: Run on a simulated clock, months of phone
// life in minutes, in the same process and on a real database; Load in real time, against a server that runs somewhere.
//
// Its one rule: who answers is the real server, through its public handler and with nothing left out, and the phones know
// no more of it than an app does. What a phone does is decided by the seed alone, never by the machine's clock. (The one
// exception is Window, a reference rule to compare with, which is named as such wherever its figures are printed.)
//
// It may import server, config, storage, identity, mfa and anomaly; nothing imports it but cmd.
package simulate
