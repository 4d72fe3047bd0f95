package faults

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
)

// toldWithin is how long a logout token may take whose server was killed while it sent it.
const toldWithin = 4 * time.Minute

// listener begins to be a person's other phone, and returns once it was told that from here on it misses nothing.
func (p *play) listener(token string) {
	p.t.Helper()
	p.mu.Lock()
	before := len(p.heard["ready"])
	p.mu.Unlock()
	r := p.rider(token)
	p.listeners = append(p.listeners, r)
	go p.listen(r)
	wait(p.t, "the other phone listens", func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return len(p.heard["ready"]) > before
	})
}

// listen is the person's other phone, which hears of the endings, until the test is over.
func (p *play) listen(r *rider) {
	last := ""
	for p.ctx.Err() == nil {
		if result, _ := r.refresh(p.ctx); result == served {
			r.events(p.ctx, last, func(name, id string, data map[string]any) {
				if id != "" {
					last = id
				}
				sid, _ := data["sid"].(string)
				p.mu.Lock()
				defer p.mu.Unlock()
				p.heard[name] = append(p.heard[name], sid)
			})
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// readEvents reads server-sent events until they are over.
func readEvents(from io.Reader, heard func(name, id, data string)) {
	var name, id, data string
	for lines := bufio.NewScanner(from); lines.Scan(); {
		field, value, _ := strings.Cut(lines.Text(), ": ")
		switch field {
		case "event":
			name = value
		case "id":
			id = value
		case "data":
			data = value
		case "":
			if name != "" {
				heard(name, id, data)
			}
			name, id, data = "", "", ""
		}
	}
}

// hearLogout is the app's own server.
func (p *play) hearLogout(w http.ResponseWriter, r *http.Request) {
	var said struct {
		SessionID string `json:"sid"`
	}
	_, rest, _ := strings.Cut(r.PostFormValue("logout_token"), ".")
	payload, _, _ := strings.Cut(rest, ".")
	body, err := base64.RawURLEncoding.DecodeString(payload)
	if err == nil {
		err = json.Unmarshal(body, &said) // others test the signature
	}
	if err != nil {
		p.t.Error(err)
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.told[said.SessionID]++
}

// span is from when somebody began to end a Session until its holder knew that it was over.
type span struct{ began, known time.Time }

// left notes that a Session, which somebody has been ending since began, is over, and that its holder knows.
func (p *play) left(r *rider, began time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended[r.session.String()] = span{began, time.Now()}
}

// verdict judges what everybody saw.
func (p *play) verdict() {
	p.t.Helper()
	if forced := p.forced.Load(); forced > 0 {
		p.t.Errorf("%d phones were forced to sign in", forced)
	}
	p.history.verdict(p.t)
	p.mu.Lock()
	ended := slices.Sorted(maps.Keys(p.ended))
	p.mu.Unlock()
	var events []string
	stolen := map[string]int{}
	for _, r := range p.listeners {
		email, told := p.endingEvents(r)
		for _, e := range told {
			events = append(events, e.SessionID.String())
			if e.Detail == string(identity.EndReuse) {
				stolen[email]++
			}
		}
	}
	p.same("the Events tell", ended, sorted(events))
	if len(events) != len(ended) {
		p.t.Errorf("%d Events tell of %d endings", len(events), len(ended))
	}
	p.eventually("logout tokens", ended, func() (sids []string) {
		for sid := range p.told {
			sids = append(sids, sid)
		}
		return sids
	})
	p.eventually("the other phone", ended, func() []string { return p.heard["session.ended"] })
	p.mu.Lock()
	resets, heard := len(p.heard["reset"]), firsts(p.heard["session.ended"])
	p.mu.Unlock()
	if resets > 0 {
		p.t.Errorf("the other phone missed too much %d times", resets)
	}
	p.inOrder("the Events", events)
	p.inOrder("the other phone", heard)
	p.mailVerdict(stolen)
	p.t.Logf("%d refreshes, %d endings told, %d thieves caught", p.refreshes.Load(), len(ended), p.caught.Load())
}

// endingEvents are a person's Events that tell of endings, in their order.
func (p *play) endingEvents(r *rider) (email string, events []identity.Event) {
	p.t.Helper()
	session, err := p.who.db.SessionByID(p.ctx, r.session)
	if err != nil {
		p.t.Fatal(err)
	}
	user, err := p.who.db.UserByID(p.ctx, session.UserID)
	if err != nil {
		p.t.Fatal(err)
	}
	events, err = p.who.db.Events(p.ctx, identity.EventQuery{UserID: session.UserID, Kind: identity.SessionEnded, Limit: 10_000})
	if err != nil {
		p.t.Fatal(err)
	}
	slices.SortStableFunc(events, func(a, b identity.Event) int { return a.At.Compare(b.At) })
	return user.Email, events
}

// inOrder fails the test where an ending stands before one that was known before it began. Those at the same time have no order.
func (p *play) inOrder(who string, sids []string) {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, later := range sids {
		for _, earlier := range sids[i+1:] {
			if p.ended[earlier].known.Before(p.ended[later].began) {
				p.t.Errorf("%s: %s ended before %s, and is told after it", who, earlier, later)
			}
		}
	}
}

// eventually waits until everything was told, and refuses what did not happen.
func (p *play) eventually(who string, want []string, told func() []string) {
	p.t.Helper()
	var got []string
	for began := time.Now(); time.Since(began) < toldWithin; time.Sleep(100 * time.Millisecond) {
		p.mu.Lock()
		got = sorted(told())
		p.mu.Unlock()
		if len(got) >= len(want) {
			break
		}
	}
	p.same(who, want, got)
}

func (p *play) same(who string, want, got []string) {
	p.t.Helper()
	if !slices.Equal(want, got) {
		p.t.Errorf("%s %d endings: %v\nwant %d: %v", who, len(got), got, len(want), want)
	}
}

func sorted(all []string) []string {
	all = slices.Clone(all)
	slices.Sort(all)
	return slices.Compact(all)
}

// firsts are the texts in the order in which each came first.
func firsts(all []string) (once []string) {
	for _, text := range all {
		if !slices.Contains(once, text) {
			once = append(once, text)
		}
	}
	return once
}
