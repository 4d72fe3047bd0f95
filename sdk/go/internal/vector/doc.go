// Package vector is the way of the contract's driver to what package app computes with, which is no part of what apps may call.
//
// Its one rule: it computes nothing itself, or the contract's vectors (sdk/contract/vectors) would test something else than what
// apps run. It imports nothing: app imports it.
package vector

var compute func(kind string, input []byte) (any, error)

// Offer is called by package app as it is loaded.
func Offer(with func(kind string, input []byte) (any, error)) bool {
	compute = with
	return true
}

// Compute computes what a vector of a kind asks for.
func Compute(kind string, input []byte) (any, error) { return compute(kind, input) }
