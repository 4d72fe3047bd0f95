package resource

import (
	"bytes"
	"crypto/ecdsa"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// step is one thing that happens. Its word is the member that is among words; the others are its details.
type step map[string]json.RawMessage

// words are what a step can be:
//
//	start      the API by that name ("api") begins, opened as the scenario says; "trusts": false, without CONTRACT_CA
//	await      it is current, or is not
//	call       a request to it; "expect" is compared, and with "eventually" asked again until it fits
//	clock      its clocks are changed, as the driver's command says
//	state      what it says of itself becomes so; a number may be {"min": 1, "max": 2}
//	counts     how many requests the authority got since the last "counts" or the start, by where; what is not named may be any
//	authority  what is out of order there, by where (discovery, jwks, introspection, feed): see authority_test.go, or "ok";
//	           "window" and "acr" of its beats; "ahead": its clock jumps by so many seconds
//	mark       endings are told: a list of marks; "times" says how often, with another sid each time
//	restore    its database is from a backup: so many endings are left, and others come
//	rotate     it signs with a new key
//	remove     it publishes a key ("k1", "k2" …) no more
//	cut        all connections to the feed break
//	send       a message of the player's own to whoever streams: "event", "typ", "payload", "key", "alg", or "raw" lines
//	feed       the last request to the feed becomes so: "after", "stream"
//	server     sojourn serve is "stopped" or "started" again, or "tells 100,000 endings" while it is stopped, or ends something: the words of a command, in which SID is the
//	           Session and TOKEN the access token "of" a token that was kept
//	signin     a person ("as") signs in to an app ("to": notes and lists are trusted, asking and opaque are not, which gets
//	           reference tokens), in a browser of their own or the one that another token came by ("in"), and gets a token by
//	           that name, the ID and refresh tokens by the same with " id" and " refresh"
var words = map[string]func(*stage, step){
	"start": (*stage).start, "await": (*stage).await, "call": (*stage).call, "clock": (*stage).clock, "state": (*stage).state,
	"counts": (*stage).counts, "authority": (*stage).outOfOrder, "mark": (*stage).mark, "restore": (*stage).restore,
	"rotate": (*stage).rotate, "remove": (*stage).remove, "cut": (*stage).cut, "send": (*stage).send, "feed": (*stage).feed,
	"server": (*stage).operate, "signin": (*stage).signIn,
}

// stage is where one scenario is played.
type stage struct {
	t         testing.TB
	spec      driverSpec
	issuer    string
	authority *authority // nil where it is sojourn
	sojourn   *sojourn
	people    map[string]*person // who got a token by that name
	open      map[string]any
	driver    *driver
	key       *ecdsa.PrivateKey // the app's
	kept      map[string]string // tokens and proofs by name
	tokens    []string          // all
	answers   []string          // all, head and body
	counted   map[string]int
}

func newStage(t testing.TB, spec driverSpec) *stage {
	t.Helper()
	return stageOf(t, spec, newAuthority(t))
}

func stageOf(t testing.TB, spec driverSpec, a *authority) *stage {
	t.Helper()
	return &stage{t: t, spec: spec, issuer: a.url, authority: a, key: newKey(t), kept: map[string]string{}, counted: map[string]int{}}
}

// word is the member that says what a step is.
func (one step) word() string {
	for _, name := range slices.Sorted(maps.Keys(words)) {
		if _, is := one[name]; is {
			return name
		}
	}
	return ""
}

// play plays steps.
func (s *stage) play(steps []step) {
	s.t.Helper()
	for i, one := range steps {
		text, _ := json.Marshal(one)
		at := fmt.Sprintf("step %d, %.300s", i+1, text)
		s.t.Log(at)
		words[one.word()](s, one)
		if s.t.Failed() {
			s.t.Fatalf("after %s; it says %v", at, s.says())
		}
	}
}

func (s *stage) says() any {
	if s.driver == nil {
		return nil
	}
	return s.driver.do("state", nil)
}

// member reads a member of a step into to, which stays as it is where there is none.
func (s *stage) member(from step, name string, to any) {
	s.t.Helper()
	text, ok := from[name]
	if !ok {
		return
	}
	strict := json.NewDecoder(bytes.NewReader(text))
	strict.DisallowUnknownFields()
	if err := strict.Decode(to); err != nil {
		s.t.Fatalf("%s: %v", name, err)
	}
}

func (s *stage) api() string { return s.driver.url }

func (s *stage) start(from step) {
	with := map[string]any{
		"issuer": s.issuer, "client_id": clientID, "client_secret": secret, "stale": "introspect", "operations": []map[string]any{
			{"method": "GET", "path": "/notes", "scopes": []string{"notes.read"}},
			{"method": "POST", "path": "/notes", "scopes": []string{"notes.read", "notes.write"}},
			{"method": "DELETE", "path": "/notes", "scopes": []string{"notes.write"}, "acr": "mfa", "max_age": 300},
			{"method": "GET", "path": "/open", "scopes": []string{}},
		},
	}
	maps.Copy(with, s.open)
	trusts, env := true, []string(nil)
	s.member(from, "trusts", &trusts)
	if trusts && s.authority != nil && s.authority.ca != "" {
		env = []string{"CONTRACT_CA=" + s.authority.ca}
	}
	s.driver = startDriver(s.t, s.spec, env...)
	s.driver.url, _ = s.driver.do("open", with)["url"].(string)
}

func (s *stage) await(from step) {
	s.t.Helper()
	var current bool
	s.member(from, "await", &current)
	s.driver.do("await", map[string]any{"current": current})
}

func (s *stage) clock(from step) {
	s.t.Helper()
	var with map[string]any
	s.member(from, "clock", &with)
	s.driver.do("clock", with)
}

// eventually waits until wrong, which says what is, says nothing.
func (s *stage) eventually(wrong func() string) {
	s.t.Helper()
	for began := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		is := wrong()
		if is == "" {
			return
		}
		if time.Since(began) > patience/2 {
			s.t.Fatal(is)
		}
	}
}

// differs says how what is differs from what shall be: of objects, the members that shall be alone are looked at.
func differs(is, shall any) string {
	switch shall := shall.(type) {
	case map[string]any:
		if least, ok := shall["min"]; ok || shall["max"] != nil {
			number, _ := is.(float64)
			least, _ := least.(float64)
			most, limited := shall["max"].(float64)
			if number < least || limited && number > most {
				return fmt.Sprintf("%v is not within %v", is, shall)
			}
			return ""
		}
		members, _ := is.(map[string]any)
		for name, one := range shall {
			if wrong := differs(members[name], one); wrong != "" {
				return name + ": " + wrong
			}
		}
		return ""
	case string:
		if text, ok := is.(string); ok && strings.HasPrefix(shall, "*") && strings.Contains(text, shall[1:]) {
			return ""
		}
	}
	a, _ := json.Marshal(is)
	b, _ := json.Marshal(shall)
	if string(a) != string(b) {
		return fmt.Sprintf("%s is not %s", a, b)
	}
	return ""
}

func (s *stage) state(from step) {
	s.t.Helper()
	var shall map[string]any
	s.member(from, "state", &shall)
	s.eventually(func() string { return differs(s.driver.do("state", nil), shall) })
}

func (s *stage) counts(from step) {
	s.t.Helper()
	var shall map[string]any
	s.member(from, "counts", &shall)
	s.authority.mu.Lock()
	defer s.authority.mu.Unlock()
	for at, want := range shall {
		if wrong := differs(float64(s.authority.counts[at]-s.counted[at]), want); wrong != "" {
			s.t.Errorf("requests to %s: %s", at, wrong)
		}
	}
	s.counted = maps.Clone(s.authority.counts)
}

func (s *stage) outOfOrder(from step) {
	s.t.Helper()
	var what struct {
		Discovery, Jwks, Introspection, Feed string
		Window                               int
		ACR                                  *string
		Ahead                                float64
	}
	s.member(from, "authority", &what)
	a := s.authority
	a.change(func() {
		for at, state := range map[string]string{
			"discovery": what.Discovery, "jwks": what.Jwks, "introspection": what.Introspection, "feed": what.Feed,
		} {
			if state != "" {
				a.is[at] = state
			}
		}
		if what.Window > 0 {
			a.window = what.Window
		}
		if what.ACR != nil {
			a.acr = *what.ACR
		}
		a.ahead += time.Duration(what.Ahead * float64(time.Second))
	})
}

func (s *stage) mark(from step) {
	s.t.Helper()
	var list []json.RawMessage
	times := 1
	s.member(from, "mark", &list)
	s.member(from, "times", &times)
	s.authority.change(func() {
		for i := range times {
			for _, one := range list {
				s.authority.marks = append(s.authority.marks, bytes.ReplaceAll(one, []byte("#"), fmt.Append(nil, i)))
			}
		}
	})
}

func (s *stage) restore(from step) {
	s.t.Helper()
	left := 0
	s.member(from, "restore", &left)
	a := s.authority
	a.change(func() {
		a.tags += "b"
		a.marks = a.marks[:left]
		a.cuts++
	})
}

func (s *stage) rotate(step) {
	key := newKey(s.t)
	s.authority.change(func() { s.authority.keys = append(s.authority.keys, key) })
}

func (s *stage) remove(from step) {
	s.t.Helper()
	var kid string
	s.member(from, "remove", &kid)
	s.authority.change(func() { s.authority.removed[kid] = true })
}

func (s *stage) cut(step) { s.authority.change(func() { s.authority.cuts++ }) }

// send makes a message that the authority would not.
func (s *stage) send(from step) {
	s.t.Helper()
	var what struct {
		Event, Typ, Key, Alg, Raw string
		Payload                   map[string]any
	}
	s.member(from, "send", &what)
	a := s.authority
	a.mu.Lock()
	at := len(a.marks)
	payload := over(map[string]any{"iss": a.url, "iat": a.now(), "from": at, "to": at, "tag": a.tag(at), "marks": []any{}}, what.Payload)
	a.mu.Unlock()
	header := map[string]any{"typ": "endings+jwt"}
	if what.Typ != "" {
		header["typ"] = what.Typ
	}
	text := what.Raw
	if text == "" {
		text = forgery{Alg: what.Alg, Key: what.Key, Header: header}.sign(s.t, a, payload)
	}
	a.sent <- "event: " + what.Event + "\ndata: " + text + "\n\n"
}

func (s *stage) feed(from step) {
	s.t.Helper()
	var what struct {
		After  *string
		Stream *bool
	}
	s.member(from, "feed", &what)
	a := s.authority
	s.eventually(func() string {
		a.mu.Lock()
		defer a.mu.Unlock()
		streams := strings.Contains(a.accept, "event-stream")
		if what.After != nil && a.asked.Get("after") != *what.After || what.Stream != nil && streams != *what.Stream || a.asked == nil {
			return fmt.Sprintf("the feed is asked with %v, and %q accepted", a.asked, a.accept)
		}
		return ""
	})
}

// judge checks what holds for every scenario.
func (s *stage) judge() {
	s.t.Helper()
	for _, token := range s.tokens {
		for _, answer := range s.answers {
			if len(token) > 20 && strings.Contains(answer, token) {
				s.t.Errorf("a token is repeated: %s", answer)
			}
		}
		s.driver.mu.Lock()
		if len(token) > 20 && strings.Contains(s.driver.said.String(), token) {
			s.t.Error("a token is logged")
		}
		s.driver.mu.Unlock()
	}
	if s.authority == nil {
		return
	}
	s.authority.mu.Lock()
	defer s.authority.mu.Unlock()
	for _, what := range s.authority.bad {
		s.t.Error(what)
	}
}

// drain reads an answer.
func drain(response *http.Response) string {
	body, _ := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	response.Body.Close()
	return string(body)
}
