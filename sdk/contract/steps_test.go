package contract

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// scenario is a promise, and the steps that try to break it.
type scenario struct {
	Promise   string   `json:"promise"`
	Providers []string `json:"providers"`
	Steps     []step   `json:"steps"`
}

// step is one thing that happens. Its word is the member that is among words; the others are its details.
type step map[string]json.RawMessage

// words are what a step can be:
//
//	start    a driver by that name ("a"), with members over the usual ones of open; "ok" may say what open answers
//	restart  that driver is killed, and a new process opens the same store
//	kill     kill -9
//	signin   a person signs in by that driver
//	do       a command; "by" names the driver (default "a"). It is waited for, and "ok" or "error" is compared, unless
//	         "later" gives it a name
//	answer   what was left for later is waited for and compared
//	follow   the person follows the URL kept under that name and the way back is kept under "keep"; "consent": allow or deny
//	network  a weather (network_test.go), or {"do": "clear"} or {"do": "release"}
//	server   the provider does something (act)
//	event    the driver says that within a minute; "has" is compared
//	silent   the driver has not said that, for a moment
//	sent     how many requests of each kind the SDK has sent since the last "sent"; "refresh_tokens" how many different
//	         refresh tokens were among them
//	wait     until so many requests of a kind were sent, or so many are held: {"refresh": 1}
//
// A value that is compared may be "$name", what "keep": {"name": "member"} kept of an answer, "!$name", anything else than that,
// "*", anything at all, or {"min": 1, "max": 2}.
var words = map[string]func(*stage, step, string){
	"start": (*stage).start, "restart": (*stage).restart, "kill": (*stage).kill, "signin": (*stage).signIn, "do": (*stage).do,
	"answer": (*stage).answer, "follow": (*stage).follow, "network": (*stage).network, "server": (*stage).server,
	"event": (*stage).event, "silent": (*stage).silent, "sent": (*stage).sent, "wait": (*stage).wait,
}

// stage is where one scenario is played.
type stage struct {
	t      *testing.T
	spec   driverSpec
	serves provider
	cast
	person  *person
	drivers map[string]*driver
	opened  map[string]map[string]any // how each driver was opened
	later   map[string]pending
	kept    map[string]any
	counted int // requests that a "sent" has seen
	store   string
}

// pending is a command whose answer comes later.
type pending struct {
	d  *driver
	id int
}

// play plays a scenario to its end.
func (s *stage) play(c scenario) {
	s.t.Helper()
	for i, one := range c.Steps {
		word := ""
		for name := range one {
			if words[name] != nil {
				word = name
			}
		}
		if word == "" {
			s.t.Fatalf("step %d has no word: %s", i+1, one)
		}
		var arg string
		_ = json.Unmarshal(one[word], &arg) // some words take objects
		at := fmt.Sprintf("step %d, %s %s", i+1, word, arg)
		s.t.Log(at)
		words[word](s, one, arg)
		if s.t.Failed() {
			s.t.Fatalf("after %s", at)
		}
	}
}

// member reads a member of a step into to, which stays as it is where there is none.
func (s *stage) member(from step, name string, to any) {
	s.t.Helper()
	if text, ok := from[name]; ok {
		if err := json.Unmarshal(text, to); err != nil {
			s.t.Fatalf("%s: %v", name, err)
		}
	}
}

func (s *stage) by(from step) *driver {
	s.t.Helper()
	name := "a"
	s.member(from, "by", &name)
	if s.drivers[name] == nil {
		s.t.Fatalf("there is no driver %s", name)
	}
	return s.drivers[name]
}

func (s *stage) start(from step, name string) {
	s.t.Helper()
	open := map[string]any{
		"do": "open", "issuer": s.serves.net().issuer(), "client_id": s.clientID, "redirect_uri": redirectURI, "scope": scope,
		"store": s.store, "lang": "en", "resources": []string{s.serves.net().issuer()},
	}
	s.member(from, "with", &open)
	s.opened[name] = open
	s.open(from, name)
}

func (s *stage) open(from step, name string) {
	s.t.Helper()
	d := startDriver(s.t, s.spec)
	s.drivers[name] = d
	s.compare(from, d.wait(d.send(s.opened[name])))
}

func (s *stage) restart(from step, name string) {
	s.t.Helper()
	s.drivers[name].kill()
	s.open(from, name)
}

func (s *stage) kill(_ step, name string) { s.drivers[name].kill() }

func (s *stage) signIn(_ step, name string) {
	s.t.Helper()
	d := s.drivers[name]
	begun := d.wait(d.send(map[string]any{"do": "begin"}))
	address, _ := begun.OK["url"].(string)
	if address == "" {
		s.t.Fatalf("begin: %v", begun)
	}
	back := s.person.follow(s.t, address, "allow")
	if in := d.wait(d.send(map[string]any{"do": "redirect", "url": back})); in.OK["sub"] == nil {
		s.t.Fatalf("redirect: %v", in)
	}
}

func (s *stage) do(from step, what string) {
	s.t.Helper()
	command := map[string]any{}
	for name := range from {
		if !slices.Contains([]string{"by", "ok", "error", "later", "keep"}, name) {
			var value any
			s.member(from, name, &value)
			command[name] = s.filled(value)
		}
	}
	d := s.by(from)
	id, later := d.send(command), ""
	if s.member(from, "later", &later); later != "" {
		s.later[later] = pending{d, id}
		return
	}
	s.compare(from, d.wait(id))
}

func (s *stage) answer(from step, name string) {
	s.t.Helper()
	p := s.later[name]
	s.compare(from, p.d.wait(p.id))
}

// filled puts what was kept in the place of its name.
func (s *stage) filled(value any) any {
	if name, ok := value.(string); ok && strings.HasPrefix(name, "$") {
		return s.kept[name[1:]]
	}
	if text, ok := value.(string); ok {
		return strings.ReplaceAll(text, "ISSUER", s.serves.net().issuer())
	}
	return value
}

// compare holds an answer to "ok" or "error" of a step, and keeps of it what "keep" says.
func (s *stage) compare(from step, r reply) {
	s.t.Helper()
	var ok, wrong map[string]any
	s.member(from, "ok", &ok)
	s.member(from, "error", &wrong)
	if wrong != nil {
		s.fits(wrong, r.Error)
	} else if r.Error != nil {
		s.t.Fatalf("error: %v", r.Error)
	}
	if ok != nil {
		s.fits(ok, r.OK)
	}
	var keep map[string]string
	s.member(from, "keep", &keep)
	for name, member := range keep {
		s.kept[name] = r.OK[member]
	}
}

// fits compares each member that is wanted.
func (s *stage) fits(want, got map[string]any) {
	s.t.Helper()
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if !s.fit(want[name], got[name]) {
			s.t.Errorf("%s is %v, want %v; all: %v", name, got[name], want[name], got)
		}
	}
}

func (s *stage) fit(want, got any) bool {
	switch want := want.(type) {
	case string:
		switch {
		case want == "*":
			return got != nil
		case strings.HasPrefix(want, "!$"):
			return got != nil && fmt.Sprint(got) != fmt.Sprint(s.kept[want[2:]])
		}
	case map[string]any:
		n, ok := got.(float64)
		least, hasMin := want["min"].(float64)
		most, hasMax := want["max"].(float64)
		return ok && (!hasMin || n >= least) && (!hasMax || n <= most)
	}
	return fmt.Sprint(s.filled(want)) == fmt.Sprint(got)
}

func (s *stage) follow(from step, name string) {
	s.t.Helper()
	consent, keep := "allow", "back"
	s.member(from, "consent", &consent)
	s.member(from, "keep", &keep)
	s.kept[keep] = s.person.follow(s.t, s.kept[name].(string), consent)
}

func (s *stage) network(from step, _ string) {
	s.t.Helper()
	var rule weather
	s.member(from, "network", &rule)
	s.serves.net().change(rule)
}

func (s *stage) server(_ step, what string) {
	s.t.Helper()
	s.serves.act(s.t, s.cast, what)
}

func (s *stage) event(from step, name string) {
	s.t.Helper()
	var has map[string]any
	s.member(from, "has", &has)
	got := s.by(from).event(name, patience, func(data map[string]any) bool {
		for member, want := range has {
			if !s.fit(want, data[member]) {
				return false
			}
		}
		return true
	})
	if got == nil {
		s.t.Fatalf("there was no event %s %v", name, has)
	}
	var keep map[string]string
	s.member(from, "keep", &keep)
	for kept, member := range keep {
		s.kept[kept] = got[member]
	}
}

func (s *stage) silent(from step, name string) {
	s.t.Helper()
	if got := s.by(from).event(name, 300*time.Millisecond, func(map[string]any) bool { return true }); got != nil {
		s.t.Errorf("there was an event: %v", got)
	}
}

func (s *stage) sent(from step, _ string) {
	s.t.Helper()
	var want map[string]int
	s.member(from, "sent", &want)
	all := s.serves.net().sent("*")
	counts, tokens := map[string]int{}, map[string]bool{}
	for _, r := range all[s.counted:] {
		counts[r.At]++
		if r.At == "refresh" {
			tokens[r.Form.Get("refresh_token")] = true
		}
	}
	s.counted = len(all)
	counts["refresh_tokens"] = len(tokens)
	for _, kind := range slices.Sorted(maps.Keys(want)) {
		if counts[kind] != want[kind] {
			s.t.Errorf("%d × %s was sent, want %d", counts[kind], kind, want[kind])
		}
	}
}

func (s *stage) wait(from step, _ string) {
	s.t.Helper()
	var want map[string]int
	s.member(from, "wait", &want)
	for began := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		counts := map[string]int{}
		for _, r := range s.serves.net().sent("*")[s.counted:] {
			counts[r.At]++
		}
		there := true
		for kind, n := range want {
			there = there && counts[kind] >= n
		}
		if there {
			return
		}
		if time.Since(began) > patience {
			s.t.Fatalf("sent is %v, waiting for %v", counts, want)
		}
	}
}

// scenarios reads all files.
func scenarios(t *testing.T) map[string]scenario {
	t.Helper()
	files, err := filepath.Glob("scenarios/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal("there are no scenarios", err)
	}
	all := map[string]scenario{}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var c scenario
		strict := json.NewDecoder(bytes.NewReader(content))
		strict.DisallowUnknownFields()
		if err := strict.Decode(&c); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		all[strings.TrimSuffix(filepath.Base(file), ".json")] = c
	}
	return all
}
