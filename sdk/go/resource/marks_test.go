package resource

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"
)

// stopped is a clock that goes on when it is told.
type stopped struct{ at time.Duration }

func (c *stopped) Wall() time.Time                                 { return time.Unix(0, 0).Add(c.at) }
func (c *stopped) Elapsed() time.Duration                          { return c.at }
func (c *stopped) Wait(ctx context.Context, _ time.Duration) error { <-ctx.Done(); return ctx.Err() }

// Of a million endings of Sessions an API remembers at most 32 MB, of people as well.
func TestMarks_aMillionTakesAtMost32MB(t *testing.T) {
	for _, kind := range []byte{'s', 'p'} {
		m := newMarks(&stopped{})
		before := heap()
		for batch := range 2000 {
			list := make([]mark, 500)
			for i := range list {
				list[i] = mark{kind: kind, name: fmt.Sprintf("01890000-0000-7000-8000-%012d", batch*500+i), epoch: 3}
			}
			m.add(list)
		}
		took := heap() - before
		t.Logf("%c: %.1f MB", kind, float64(took)/1e6)
		if m.held() != 1_000_000 || took > 32e6 {
			t.Errorf("%d marks of kind %c take %d bytes", m.held(), kind, took)
		}
	}
}

func heap() int64 {
	runtime.GC()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return int64(s.HeapAlloc)
}

// What is ended stays ended for the whole window, and is forgotten after twice that.
func TestMarks_areHeldForTheWindow(t *testing.T) {
	clock := &stopped{}
	m := newMarks(clock)
	c := &Claims{SessionID: "one", ID: "j", Subject: "ada", ClientID: "app"}
	clock.at = 600 * time.Second
	m.add([]mark{{kind: 's', name: "one"}})
	for clock.at < 600*time.Second+firstWindow {
		if !m.end(c) {
			t.Fatalf("forgotten after %v", clock.at-600*time.Second)
		}
		clock.at += 10 * time.Second
		m.add(nil)
	}
	clock.at = 600*time.Second + 2*firstWindow
	m.add(nil)
	clock.at += firstWindow
	m.add(nil)
	if m.end(c) || m.held() != 0 {
		t.Errorf("%d marks are still held", m.held())
	}
}

// An epoch strikes what was given under an earlier one, of this person or client alone, and spares what the mark keeps.
func TestMarks_strikeWhatTheyName(t *testing.T) {
	m := newMarks(&stopped{})
	m.add([]mark{
		{kind: 'p', name: "ada", epoch: 3, keep: []string{"kept"}},
		{kind: 'c', name: "old", epoch: 5},
		{kind: 't', name: "jti"},
		{kind: 'p', name: "service", epoch: 9},
	})
	for _, of := range []struct {
		says  string
		c     Claims
		ended bool
	}{
		{"an earlier epoch", Claims{Subject: "ada", SessionID: "one", subEpoch: 2}, true},
		{"no epoch at all", Claims{Subject: "ada", SessionID: "one"}, true},
		{"the epoch that began with it", Claims{Subject: "ada", SessionID: "one", subEpoch: 3}, false},
		{"the Session that is kept", Claims{Subject: "ada", SessionID: "kept", subEpoch: 2}, false},
		{"somebody else", Claims{Subject: "grace", SessionID: "one"}, false},
		{"a client's own token, whose sub is like a person's", Claims{Subject: "service", ClientID: "service"}, false},
		{"the client's earlier epoch", Claims{Subject: "grace", SessionID: "two", ClientID: "old", clientEpoch: 4}, true},
		{"the client's new epoch", Claims{Subject: "grace", SessionID: "two", ClientID: "old", clientEpoch: 5}, false},
		{"the access token", Claims{Subject: "grace", SessionID: "two", ID: "jti"}, true},
	} {
		if m.end(&of.c) != of.ended {
			t.Errorf("%s: ended is not %v", of.says, of.ended)
		}
	}
}

// Who had no room for a mark doesn't pretend to know all: not before it could not matter any more.
func TestMarks_tooManyAreSaid(t *testing.T) {
	clock := &stopped{}
	m := newMarks(clock)
	m.young.extra = maxMarks
	m.add([]mark{{kind: 's', name: "one"}})
	if m.whole() {
		t.Error("a mark was lost, and nobody is told")
	}
	clock.at = firstWindow
	if !m.whole() {
		t.Error("it matters for longer than a token lives")
	}
}

// However many marks one person gets that keep sessions, memory is bounded, and what is dropped is never an ending.
func TestMarks_ofOnePersonAreBounded(t *testing.T) {
	m := newMarks(&stopped{})
	for n := range 1000 {
		m.add([]mark{{kind: 'p', name: "ada", epoch: uint64(n + 1), keep: []string{fmt.Sprint("sid", n)}}})
	}
	if got := m.held(); got > 2*maxKept+1 {
		t.Errorf("%d are held", got)
	}
	if !m.end(&Claims{Subject: "ada", SessionID: "sid1", subEpoch: 500}) || m.end(&Claims{Subject: "ada", SessionID: "new", subEpoch: 1000}) {
		t.Error("an ending was dropped, or one was made up")
	}
}
