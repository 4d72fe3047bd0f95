//go:build unix

package app

import (
	"net/http"
	"syscall"
	"testing"
)

// A refresh with its proof, its lock and its two flushes to the disk, at a server on the same machine that has to sign an ID token.
// ns/op is how long it took, disk and neighbours included; cpu-ns/op what it cost in processor time, that of the server's half too.
func BenchmarkRefresh(b *testing.B) {
	a := newFake(b).signedIn(b)
	begun := processorTime(b)
	for b.Loop() {
		if err := a.Refresh(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(processorTime(b)-begun)/float64(b.N), "cpu-ns/op")
}

// The same without the disk and the server: what is the SDK's own.
func BenchmarkProof(b *testing.B) {
	a := newFake(b).signedIn(b)
	k, err := a.loadKey()
	if err != nil {
		b.Fatal(err)
	}
	begun := processorTime(b)
	for b.Loop() {
		if _, err := a.proof(k, "POST", a.allowed[0], "token"); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(processorTime(b)-begun)/float64(b.N), "cpu-ns/op")
}

// What a call of an API costs before it is sent: the record and the key are read from their folder each time, for another process may
// have signed out since, and the proof is signed.
func BenchmarkCall(b *testing.B) {
	a := newFake(b).signedIn(b)
	begun := processorTime(b)
	for b.Loop() {
		r, err := http.NewRequestWithContext(b.Context(), http.MethodGet, a.cfg.Issuer+"/me", nil)
		if err != nil {
			b.Fatal(err)
		}
		with, err := a.token(b.Context(), "")
		if err != nil {
			b.Fatal(err)
		}
		if err := a.authorize(r, with); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(processorTime(b)-begun)/float64(b.N), "cpu-ns/op")
}

// processorTime is what this process has used so far, in nanoseconds: the system's share, too.
func processorTime(b *testing.B) int64 {
	b.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return used.Utime.Nano() + used.Stime.Nano()
}
