package identity

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/alexedwards/argon2id"
	"github.com/ccojocar/zxcvbn-go/data"
	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"
)

// HashCost is what one argon2id hash takes (RFC 9106 §3.1). The PHC string of a hash carries the cost that it was made at,
// so that a cost can be raised at any time: older hashes are read, and made anew at the next sign-in.
type HashCost struct {
	Memory uint32 // KiB
	Passes uint32
}

// DefaultHashCost is OWASP's second choice (19 MiB, 2 passes), about 30 ms, so that a burst of sign-ins fits in memory.
var DefaultHashCost = HashCost{Memory: 19 * 1024, Passes: 2}

// maxHashMemory is the most that a stored hash may ask for, in KiB: a row that somebody broke must not take the machine.
const maxHashMemory = 1 << 20

// params are the cost as the library takes it, with 16 bytes of salt and 32 of key (RFC 9106 §4).
func (c HashCost) params() *argon2id.Params {
	return &argon2id.Params{Memory: c.Memory, Iterations: c.Passes, Parallelism: 1, SaltLength: 16, KeyLength: 32}
}

// Passwords hashes and checks passwords with argon2id (RFC 9106). It takes fewer cores than the machine has, so that a burst
// of sign-ins waits here instead of starving the refreshes beside it; and a flood of guesses is turned away at once, while
// whoever the browser knows waits for two hashes at most before their own.
type Passwords struct {
	Service string // what people know us by: no password may be made of it
	cost    HashCost
	decoy   string
	slots   chan struct{} // who hashes
	turn    chan struct{} // the strangers that may ask for a slot
	rest    float64       // how long a turn rests afterwards, in times that the hash took
	queue   chan struct{} // who waits or hashes, of the lane that this value stands for
	known   *Passwords    // the same for those whom the browser knows
	watch   *HashWatch    // of both lanes
}

// HashWatch is told how those fare who wait for a hash. Neither function may be nil, or take long.
type HashWatch struct {
	Waited  func(known bool, took time.Duration) // somebody's hash begins
	Crowded func(known bool)                     // somebody was turned away, or had no time left
}

const (
	maxStrangers = 16 // a second of work on one core at the default cost, with what is under way
	maxKnownWait = 256
	busyFor      = 2 * time.Second // when to try again
)

// NewPasswords returns a hasher at a cost; zero: the default.
func NewPasswords(cost HashCost) *Passwords {
	cost = cmp.Or(cost, DefaultHashCost)
	cores := runtime.GOMAXPROCS(0)
	blank := base64.RawStdEncoding.EncodeToString(make([]byte, 32))
	p := &Passwords{
		cost:  cost,
		decoy: fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=1$%s$%s", argon2.Version, cost.Memory, cost.Passes, blank[:22], blank),
		slots: make(chan struct{}, max(1, cores-1)), queue: make(chan struct{}, maxStrangers),
		// Strangers get a quarter of the machine, where that is less than a core by resting.
		turn: make(chan struct{}, max(1, cores/4)), rest: max(0, 4/float64(cores)-1),
		watch: &HashWatch{Waited: func(bool, time.Duration) {}, Crowded: func(bool) {}},
	}
	known := *p
	known.turn, known.queue = nil, make(chan struct{}, maxKnownWait)
	known.known = &known
	p.known = &known
	return p
}

// For returns the hasher of the lane that somebody waits in: strangers wait behind one another, those whom their browser
// knows do not wait behind strangers.
func (p *Passwords) For(known bool) *Passwords {
	if known {
		return p.known
	}
	return p
}

// Watch has w told from now on. It must be called before anybody hashes.
func (p *Passwords) Watch(w HashWatch) { *p.watch = w }

// Waiting returns how many wait or hash in the lane that p stands for.
func (p *Passwords) Waiting() int { return len(p.queue) }

// knows reports whether p stands for the lane of those whom the browser knows.
func (p *Passwords) knows() bool { return p.known == p }

// Hash returns the PHC string of password under a fresh salt. It gives up when ctx ends while it waits for a core.
func (p *Passwords) Hash(ctx context.Context, password string) (hash string, err error) {
	err = p.slot(ctx, func() error {
		hash, err = argon2id.CreateHash(normal(password), p.cost.params())
		return err
	})
	return hash, err
}

// Matches reports whether password made hash. An empty hash never matches but takes as long: whether an account exists
// cannot be told by the clock. Hashes from before passwords were normalized are of the password as it was typed.
func (p *Passwords) Matches(ctx context.Context, password, hash string) (bool, error) {
	known := hash != ""
	if !known {
		hash = p.decoy
	}
	if _, err := readHashCost(hash); err != nil {
		return false, err
	}
	if utf8.RuneCountInString(password) > MaxPassword {
		password = ""
	}
	ok, err := p.made(ctx, normal(password), hash)
	if err == nil && !ok && normal(password) != password {
		ok, err = p.made(ctx, password, hash)
	}
	return ok && known, err
}

// Outdated reports whether a hash was made at another cost than this server's, or at none that is known.
func (p *Passwords) Outdated(hash string) bool {
	made, err := readHashCost(hash)
	return err != nil || made != *p.cost.params()
}

func (p *Passwords) made(ctx context.Context, password, hash string) (ok bool, err error) {
	err = p.slot(ctx, func() error {
		ok, err = argon2id.ComparePasswordAndHash(password, hash)
		return err
	})
	return ok, err
}

// slot runs work on one of the cores that may hash. It refuses (Busy) when the queue is full, or the wait is longer than the
// request lives: nothing was judged then.
func (p *Passwords) slot(ctx context.Context, work func() error) error {
	asked := time.Now() //nolint:forbidigo // how long somebody waits is no time of day
	select {
	case p.queue <- struct{}{}:
		defer func() { <-p.queue }()
	default:
		return p.crowded() // others came first since Crowded was asked
	}
	var began time.Time
	if p.turn != nil {
		select {
		case p.turn <- struct{}{}:
			defer func() { p.handOn(began) }()
		case <-ctx.Done():
			return p.gaveUp(ctx)
		}
	}
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	case <-ctx.Done():
		return p.gaveUp(ctx)
	}
	began = time.Now() //nolint:forbidigo // how long a hash takes is no time of day
	p.watch.Waited(p.knows(), began.Sub(asked))
	return work()
}

// handOn gives the turn of a stranger whose hash began then, or never did, to the next once it has rested. Nobody waits for
// that but other strangers.
func (p *Passwords) handOn(began time.Time) {
	rest := time.Duration(p.rest * float64(time.Since(began)))
	if began.IsZero() || rest == 0 {
		<-p.turn
		return
	}
	time.AfterFunc(rest, func() { <-p.turn })
}

// Crowded refuses (Busy) while the lane takes nobody more: a try that would not be judged is turned away before anything is
// written of it, or a flood would cost the others the database instead.
func (p *Passwords) Crowded() error {
	if len(p.queue) == cap(p.queue) {
		return p.crowded()
	}
	return nil
}

// crowded turns somebody away, and tells of it.
func (p *Passwords) crowded() error {
	p.watch.Crowded(p.knows())
	return errCrowded
}

var errCrowded = &Error{Kind: Busy, Wait: busyFor, Msg: "Many people are signing in right now, so nothing was checked. Try again in a few seconds."}

// gaveUp tells a request that has no time left from one whose caller went away.
func (p *Passwords) gaveUp(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return p.crowded()
	}
	return fmt.Errorf("waiting to hash a password: %w", ctx.Err())
}

// readHashCost reads the cost that a PHC string carries. argon2 panics at a cost of nothing.
func readHashCost(hash string) (argon2id.Params, error) {
	made, _, _, err := argon2id.DecodeHash(hash)
	if err != nil {
		return argon2id.Params{}, fmt.Errorf("a password hash that cannot be read: %w", err)
	}
	if made.Iterations == 0 || made.Parallelism == 0 || made.KeyLength < 16 || made.Memory > maxHashMemory {
		return argon2id.Params{}, errors.New("a password hash whose cost cannot be: argon2id takes at least one pass, one lane " +
			"and 16 bytes of key, and we give it at most 1 GiB")
	}
	return *made, nil
}

// Lengths of a password (NIST SP 800-63B §3.1.1.2: 8 is the least beside a second factor, and long ones must be taken;
// docs/rfc.md, departure 8). What it consists of is everyone's own choice, as the same section demands.
const (
	MinPassword = 8   // characters
	MaxPassword = 256 // characters; a limit only so that hashing stays bounded
)

// CheckNewPassword is CheckPassword for the field new_password.
func CheckNewPassword(password string, known ...string) error {
	err := CheckPassword(password, known...)
	if refusal, ok := errors.AsType[*Error](err); ok {
		return RefuseField("new_password", refusal.Msg)
	}
	return err
}

// CheckPassword refuses a new password that is too short, too long or not text, and one that attackers try first (NIST
// SP 800-63B §3.1.1.2): a common one, or one made of what is known of the account: its address, the service's name.
func CheckPassword(password string, known ...string) error {
	n := utf8.RuneCountInString(normal(password))
	switch {
	case !utf8.ValidString(password) || strings.ContainsRune(password, 0):
		return RefuseField("password", "That password has characters that no keyboard makes. Choose another.")
	case n < MinPassword:
		return RefuseField("password", fmt.Sprintf("Choose a password of at least %d characters.", MinPassword))
	case utf8.RuneCountInString(password) > MaxPassword:
		return RefuseField("password", fmt.Sprintf("Choose a password of at most %d characters.", MaxPassword))
	}
	plain := strings.ToLower(normal(password))
	switch {
	case isCommon(plain) || isPattern([]rune(plain)):
		return RefuseField("password",
			"That password is among the first that attackers try. Choose another; several words are good.")
	case isMadeOf(plain, known):
		return RefuseField("password",
			"That password is too close to your e-mail address or to our name. Choose another; several words are good.")
	}
	return nil
}

// normal makes one password of the spellings that keyboards and systems have for the same characters (NFKC, as NIST
// SP 800-63B §3.1.1.2 says).
func normal(password string) string { return norm.NFKC.String(password) }

// isPattern reports whether p is a short piece over and over, like abcabcabc, or a row of neighbours, like 12345678.
func isPattern(p []rune) bool {
	for size := 1; size <= 4; size++ {
		if repeats(p, size) {
			return true
		}
	}
	return isRow(p, 1) || isRow(p, -1)
}

func repeats(p []rune, size int) bool {
	for i := size; i < len(p); i++ {
		if p[i] != p[i-size] {
			return false
		}
	}
	return true
}

func isRow(p []rune, step rune) bool {
	for i := 1; i < len(p); i++ {
		wraps := step > 0 && p[i-1] == '9' && p[i] == '0' || step < 0 && p[i-1] == '0' && p[i] == '9'
		if p[i]-p[i-1] != step && !wraps {
			return false
		}
	}
	return true
}

// isMadeOf reports whether fewer than four characters of p are its own beside what is known.
func isMadeOf(p string, known []string) bool {
	rest := p
	for _, words := range known {
		words = strings.ToLower(normal(words))
		local, domain, _ := strings.Cut(words, "@")
		for _, word := range []string{words, strings.Join(strings.Fields(words), ""), local, domain} {
			if utf8.RuneCountInString(word) >= 3 {
				rest = strings.ReplaceAll(rest, word, "")
			}
		}
	}
	return rest != p && utf8.RuneCountInString(strings.TrimFunc(rest, unicode.IsSpace)) < 4
}

// Two lists of zxcvbn: what people choose most, and the words and names that guessing goes on with. They are lower case
// and small, on purpose: the throttles end guessing long before a larger list would matter (NIST SP 800-63B §3.1.1.2).
var (
	commonPasswords = sync.OnceValue(func() []string { return readCommon("Passwords") })
	commonWords     = sync.OnceValue(func() []string { return readCommon("English", "Surnames", "MaleNames", "FemaleNames") })
)

// isCommon reports whether p, in lower case, is one of the first guesses: on a list, or a common password with up to four
// digits around it.
func isCommon(p string) bool {
	if listed(commonPasswords(), p) || listed(commonWords(), p) {
		return true
	}
	bare := strings.Trim(p, "0123456789")
	return len(p)-len(bare) <= 4 && listed(commonPasswords(), bare)
}

func listed(list []string, word string) bool {
	_, found := slices.BinarySearch(list, word)
	return found
}

// readCommon merges lists of zxcvbn, sorted. It panics where the library lost one, which a test would see.
func readCommon(names ...string) []string {
	var all []string
	for _, name := range names {
		var list struct{ List []string }
		raw, err := data.Asset("data/" + name + ".json")
		if err == nil {
			err = json.Unmarshal(raw, &list)
		}
		if err != nil {
			panic(fmt.Sprintf("the list of common passwords %s: %v", name, err))
		}
		all = append(all, list.List...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}
