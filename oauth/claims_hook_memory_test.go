package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
)

// program is the operator's, with a clock that stands still until it is moved.
type program struct {
	hook  *ClaimsHook
	now   time.Time
	asked int
	fails func(identity.ID) error
}

func newProgram(open bool) *program {
	p := &program{now: time.Unix(1_800_000_000, 0), fails: func(identity.ID) error { return nil }}
	p.hook = NewClaimsHook(HookOptions{
		Ask: func(_ context.Context, q HookQuestion, _ identity.User) (HookAnswer, error) {
			p.asked++
			return HookAnswer{Claims: map[string]json.RawMessage{"n": json.RawMessage(fmt.Sprint(p.asked))}}, p.fails(q.UserID)
		},
		Timeout: time.Minute, Life: time.Hour, Open: open, Now: func() time.Time { return p.now }, Log: slog.New(slog.DiscardHandler),
	})
	return p
}

// about asks about somebody, and returns how often the program was asked for it.
func (p *program) about(t *testing.T, id identity.ID, change ...func(*HookQuestion)) (questions int, err error) {
	t.Helper()
	q := HookQuestion{UserID: id, ClientID: "app", Scopes: []string{"openid"}, Person: func(context.Context) (identity.User, error) { return identity.User{}, nil }}
	for _, f := range change {
		f(&q)
	}
	before := p.asked
	_, err = p.hook.ask(t.Context(), q)
	return p.asked - before, err
}

func TestClaimsHook_isAskedForNobodyOnceItFailedForFive(t *testing.T) {
	t.Parallel()
	p := newProgram(false)
	p.fails = func(identity.ID) error { return errors.New("refused") }
	for i := range 20 {
		n, err := p.about(t, identity.NewID())
		if want := map[bool]int{true: 1}[i < hookFailures]; n != want || identity.KindOf(err) != identity.Unavailable {
			t.Fatalf("the question %d was put %d times (%v)", i, n, err)
		}
	}
	p.now = p.now.Add(hookPause)
	for i := range 5 {
		if n, _ := p.about(t, identity.NewID()); n != map[bool]int{true: 1}[i == 0] {
			t.Errorf("after the pause, question %d was put %d times", i, n)
		}
	}
	p.now, p.fails = p.now.Add(hookPause), func(identity.ID) error { return nil }
	for i := range 5 {
		if n, err := p.about(t, identity.NewID()); n != 1 || err != nil {
			t.Errorf("once it answers, question %d was put %d times (%v)", i, n, err)
		}
	}
}

// Nobody has it rest for the others: neither one person for whom it fails, nor answers that are of no use.
func TestClaimsHook_onePersonDoesNotMakeItRestForOthers(t *testing.T) {
	t.Parallel()
	p, mallory := newProgram(false), identity.NewID()
	p.fails = func(id identity.ID) error {
		if id == mallory {
			return errors.New("too slow")
		}
		return nil
	}
	for i := range 20 {
		other := func(q *HookQuestion) { q.Resource = fmt.Sprint("https://api.example/", i) }
		if n, _ := p.about(t, mallory, other); n != 1 {
			t.Fatalf("the question %d was put %d times", i, n)
		}
		if n, _ := p.about(t, mallory, other); n != 0 {
			t.Fatal("a question that failed just now was put again")
		}
	}
	if n, err := p.about(t, identity.NewID()); n != 1 || err != nil {
		t.Errorf("for another it was asked %d times (%v)", n, err)
	}
	p.fails = func(identity.ID) error { return fmt.Errorf("garbage: %w", ErrHookAnswer) }
	for range 20 {
		if n, _ := p.about(t, identity.NewID()); n != 1 {
			t.Fatal("answers of no use had it rest")
		}
	}
}

func TestClaimsHook_onePersonAsksNoMoreThanTheirShare(t *testing.T) {
	t.Parallel()
	p, mallory := newProgram(true), identity.NewID()
	for i := range int(hookPace.burst) + 1 {
		n, err := p.about(t, mallory, func(q *HookQuestion) { q.Scopes = []string{"openid", fmt.Sprint(i)} })
		if over := i == int(hookPace.burst); n != map[bool]int{false: 1}[over] || (identity.KindOf(err) == identity.Throttled) != over {
			t.Fatalf("question %d was put %d times (%v)", i, n, err)
		}
	}
	if n, err := p.about(t, identity.NewID()); n != 1 || err != nil {
		t.Errorf("another waits for them (%v)", err)
	}
}

func TestClaimsHook_remembersNoMoreThanItMay(t *testing.T) {
	t.Parallel()
	p := newProgram(false)
	for range maxHeard + 100 {
		if _, err := p.about(t, identity.NewID()); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(p.hook.kept); n > maxHeard {
		t.Errorf("%d answers are kept", n)
	}
}

// A question that finds no place in time has failed: nobody waits for longer than the timeout.
func TestClaimsHook_noMoreThanSoManyQuestionsAreUnderWay(t *testing.T) {
	t.Parallel()
	p := newProgram(false)
	p.hook.o.Timeout = time.Millisecond
	for range hooksAtOnce {
		p.hook.slots <- struct{}{}
	}
	if n, err := p.about(t, identity.NewID()); n != 0 || identity.KindOf(err) != identity.Unavailable {
		t.Errorf("put %d times (%v)", n, err)
	}
	p.hook.o.Timeout = time.Minute
	<-p.hook.slots
	if n, err := p.about(t, identity.NewID()); n != 1 || err != nil {
		t.Errorf("put %d times (%v)", n, err)
	}
}

// Whether the person can be read is no failure of the program, and no reason to go on without it.
func TestClaimsHook_aDatabaseThatIsAwayIsNoFailureOfIt(t *testing.T) {
	t.Parallel()
	p := newProgram(true)
	_, err := p.about(t, identity.NewID(), func(q *HookQuestion) {
		q.Person = func(context.Context) (identity.User, error) { return identity.User{}, identity.ErrUnavailable }
	})
	if !errors.Is(err, identity.ErrUnavailable) || len(p.hook.failing) != 0 {
		t.Errorf("answered %v", err)
	}
}
