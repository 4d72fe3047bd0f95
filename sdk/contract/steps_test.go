package contract

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// step is one thing that happens. Its word is the member that is among words; the others are its details.
type step map[string]json.RawMessage

// words are what a step can be:
//
//	start    a driver by that name ("a"), with members over the usual ones of open; "ok" may say what open answers
//	restart  that driver is killed, and a new process opens the same store
//	kill     kill -9
//	stop     kill -STOP: a process that is frozen, or of a machine that sleeps
//	continue kill -CONT
//	signin   a person signs in by that driver
//	do       a command; "by" names the driver (default "a"). It is waited for, and "ok" or "error" is compared, unless
//	         "later" gives it a name; "within" says in how many seconds; "or" is an error that is as good as "ok"
//	answer   what was left for later is waited for and compared; with "passing" time passes as the SDK waits for it, with "ticking" five
//	         seconds each moment, for what the SDK waits for without a word
//	passing  an event is waited for while time passes as the SDK waits for it
//	nearly   time passes until the access token is nearly over
//	change   parameters of an address that was kept are "set", null takes one away, "$name" is that of another address that was
//	         kept, and it is kept under "keep"
//	follow   the person follows the URL kept under that name and the way back is kept under "keep"; "consent": allow or deny
//	network  a fault (network_test.go), or {"do": "clear"} or {"do": "release"}
//	server   the provider does something (act)
//	event    the driver says that within a minute; "has" is compared
//	silent   the driver has not said that, for a moment
//	sent     how many requests of each kind the SDK has sent since the last "sent"; "refresh_tokens" how many different
//	         refresh tokens were among them
//	proofs   the nonces of the proofs that requests of that kind had since the last "sent"; null: there was no proof
//	header   headers of the last request of that kind
//	files    of the store: "cut" in half, all of them; "foreign": another user's; "own": ours again
//	tls      "portal": somebody breaks into it; "ok"
//	forge    the next code, of the address kept as "address", is redeemed by the player (forge_test.go)
//	memory   "before" and "after": a driver takes no hundred megabytes in between
//	wait     until so many requests of a kind were sent, or so many are held: {"refresh": 1}
//
// A value that is compared may be "$name", what "keep": {"name": "member"} kept of an answer, "!$name", anything else than that,
// "*", anything at all, or {"min": 1, "max": 2}.
var words = map[string]func(*stage, step, string){
	"start": (*stage).start, "restart": (*stage).restart, "kill": (*stage).kill, "stop": (*stage).stop, "continue": (*stage).goOn, "signin": (*stage).signIn, "do": (*stage).do,
	"answer": (*stage).answer, "passing": (*stage).passing, "nearly": (*stage).nearly, "follow": (*stage).follow,
	"change": (*stage).change, "network": (*stage).network, "tls": (*stage).tls, "server": (*stage).server, "event": (*stage).event,
	"silent": (*stage).silent, "sent": (*stage).sent, "proofs": (*stage).proofs, "header": (*stage).header, "files": (*stage).files,
	"wait": (*stage).wait, "forge": (*stage).forge, "memory": (*stage).memory,
}

// play plays a scenario to its end.
func (s *stage) play(c scenario) {
	s.t.Helper()
	began := time.Now()
	for i, one := range c.Steps {
		word := one.word()
		if word == "" {
			s.t.Fatalf("step %d has no word: %s", i+1, one)
		}
		var arg string
		_ = json.Unmarshal(one[word], &arg) // some words take objects
		at := fmt.Sprintf("step %d, %s %s", i+1, word, arg)
		s.t.Logf("%s (after %.1f s)", at, time.Since(began).Seconds())
		words[word](s, one, arg)
		if s.t.Failed() {
			s.t.Fatalf("after %s", at)
		}
	}
}

// word is the member that says what a step is.
func (one step) word() string {
	for _, name := range slices.Sorted(maps.Keys(words)) {
		if _, is := one[name]; is && (name != "passing" || len(one) == 1) {
			return name
		}
	}
	return ""
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
	s.opened[name] = open
	s.open(from, name)
}

func (s *stage) open(from step, name string) {
	s.t.Helper()
	open := s.opened[name]
	s.member(from, "with", &open)
	ca := s.serves.net().ca.file
	d := s.spec.take(s.t, "CONTRACT_CA="+ca, "NODE_EXTRA_CA_CERTS="+ca)
	s.drivers[name] = d
	s.compare(from, d.wait(d.send(s.opened[name])))
}

func (s *stage) restart(from step, name string) {
	s.t.Helper()
	s.drivers[name].kill()
	s.open(from, name)
}

func (s *stage) kill(_ step, name string) { s.drivers[name].kill() }

func (s *stage) stop(_ step, name string) { s.signal(name, syscall.SIGSTOP) }

func (s *stage) goOn(_ step, name string) { s.signal(name, syscall.SIGCONT) }

func (s *stage) signal(name string, what syscall.Signal) {
	s.t.Helper()
	if err := s.drivers[name].cmd.Process.Signal(what); err != nil {
		s.t.Fatal(err)
	}
}

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
		if !slices.Contains([]string{"by", "ok", "error", "later", "keep", "within", "or"}, name) {
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
	began, within := time.Now(), patience.Seconds()
	s.member(from, "within", &within)
	s.compare(from, d.wait(id))
	if took := time.Since(began); took.Seconds() > within {
		s.t.Errorf("the answer took %v", took)
	}
}

func (s *stage) answer(from step, name string) {
	s.t.Helper()
	p, passing, ticking := s.later[name], false, false
	s.member(from, "passing", &passing)
	s.member(from, "ticking", &ticking)
	there := func() bool { _, there := p.d.answers[p.id]; return there }
	if passing {
		s.pass(p.d, there)
	}
	for range int(patience / tick) {
		if !ticking || p.d.until(tick, there) {
			break
		}
		p.d.wait(p.d.send(map[string]any{"do": "clock", "pass": 5}))
	}
	s.compare(from, p.d.wait(p.id))
}

// filled puts what was kept in the place of its name.
func (s *stage) filled(value any) any {
	if name, ok := value.(string); ok && strings.HasPrefix(name, "$") {
		return s.kept[name[1:]]
	}
	if text, ok := value.(string); ok {
		issuer := s.serves.net().issuer()
		elsewhere := strings.Replace(issuer, "localhost", "127.0.0.1", 1)
		return strings.NewReplacer("ISSUER", issuer, "ELSEWHERE", elsewhere).Replace(text)
	}
	return value
}

// compare holds an answer to "ok" or "error" of a step, and keeps of it what "keep" says.
func (s *stage) compare(from step, r reply) {
	s.t.Helper()
	var ok, wrong, or map[string]any
	s.member(from, "ok", &ok)
	s.member(from, "error", &wrong)
	s.member(from, "or", &or)
	if or != nil && r.Error != nil {
		s.fits(or, r.Error)
		return
	}
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

func (s *stage) change(from step, name string) {
	s.t.Helper()
	address, err := url.Parse(s.kept[name].(string))
	if err != nil {
		s.t.Fatal(err)
	}
	var set map[string]*string
	keep := name
	s.member(from, "set", &set)
	s.member(from, "keep", &keep)
	q := address.Query()
	for name, value := range set {
		q.Del(name)
		if value != nil {
			q.Set(name, s.parameter(name, *value))
		}
	}
	address.RawQuery = q.Encode()
	s.kept[keep] = address.String()
}

// parameter is a value that is said, or that of an address which was kept under the name after "$".
func (s *stage) parameter(name, value string) string {
	s.t.Helper()
	from, other := strings.CutPrefix(value, "$")
	if !other {
		return value
	}
	address, err := url.Parse(s.kept[from].(string))
	if err != nil {
		s.t.Fatal(err)
	}
	return address.Query().Get(name)
}

func (s *stage) tls(_ step, how string) { s.serves.net().breakInto(how == "portal") }

func (s *stage) files(_ step, how string) {
	s.t.Helper()
	err := filepath.WalkDir(s.store, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		switch {
		case how == "cut":
			return os.Truncate(path, info.Size()/2)
		case os.Getuid() != 0: // only root can give a file away; what can't be read must do
			return os.Chmod(path, map[string]fs.FileMode{"foreign": 0, "own": 0o600}[how])
		}
		return os.Chown(path, map[string]int{"foreign": 12345, "own": 0}[how], -1)
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *stage) network(from step, _ string) {
	s.t.Helper()
	var f fault
	s.member(from, "network", &f)
	s.serves.net().change(s.t, f)
}

func (s *stage) server(_ step, what string) {
	s.t.Helper()
	s.serves.act(s.t, s.person, what)
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
	var want map[string]any
	s.member(from, "sent", &want)
	all := s.serves.net().sent()
	counts, tokens, codes := map[string]int{}, map[string]bool{}, map[string]bool{}
	for _, r := range all[s.counted:] {
		counts[r.At]++
		switch r.At {
		case "refresh":
			tokens[r.Form.Get("refresh_token")] = true
		case "code":
			codes[r.Form.Get("code")] = true
		}
	}
	s.counted = len(all)
	counts["refresh_tokens"], counts["codes"] = len(tokens), len(codes)
	for _, kind := range slices.Sorted(maps.Keys(want)) {
		if !s.fit(want[kind], float64(counts[kind])) {
			s.t.Errorf("%d × %s was sent, want %v", counts[kind], kind, want[kind])
		}
	}
}

func (s *stage) proofs(from step, kind string) {
	s.t.Helper()
	var want []any
	s.member(from, "nonces", &want)
	var got []any
	for _, r := range s.serves.net().sent()[s.counted:] {
		if r.At == kind {
			got = append(got, nonceOf(s.t, r.Header.Get("DPoP")))
		}
	}
	for i := range max(len(want), len(got)) {
		if i >= len(want) || i >= len(got) || want[i] != "*" && want[i] != got[i] {
			s.t.Fatalf("the proofs had the nonces %v, want %v", got, want)
		}
	}
}

func (s *stage) header(from step, kind string) {
	s.t.Helper()
	var last request
	for _, r := range s.serves.net().sent() {
		if r.At == kind {
			last = r
		}
	}
	for name := range from {
		if name == "header" {
			continue
		}
		var want string
		if s.member(from, name, &want); last.Header.Get(name) != want {
			s.t.Errorf("%s was %q, want %q", name, last.Header.Get(name), want)
		}
	}
}

func (s *stage) wait(from step, _ string) {
	s.t.Helper()
	var want map[string]int
	s.member(from, "wait", &want)
	for began := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		counts := map[string]int{}
		for _, r := range s.serves.net().sent()[s.counted:] {
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
