package app

import "testing"

// A refresh with its proof, its lock and its two flushes to the disk, at a server on the same machine that has to sign an ID token.
func BenchmarkRefresh(b *testing.B) {
	a := newFake(b).signedIn(b)
	for b.Loop() {
		if err := a.Refresh(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

// The same without the disk and the server: what is the SDK's own.
func BenchmarkProof(b *testing.B) {
	a := newFake(b).signedIn(b)
	k, err := a.loadKey()
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := a.proof(k, "POST", a.allowed[0], "token"); err != nil {
			b.Fatal(err)
		}
	}
}
