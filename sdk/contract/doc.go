// Package contract holds every SDK to one behaviour: scenarios and vectors as data, and the player that plays them against a
// driver, a small program over each SDK (README.md).
//
// Its one rule: the player judges by what was sent, what is kept and what is said; it knows nothing of an SDK's inside.
//
// It holds tests alone.
package contract
