package simulate

import (
	"context"
	"strconv"
	"strings"
	"time"
)

// How long others accept more than the newest token.
const (
	grace   = 30 * time.Second // the predecessor
	reuse   = 10 * time.Second // any token, after any refresh, where the predecessor has no limit
	replays = 5                // of the predecessor, where the latest answer counts
)

// windowRule is the usual grace period: the predecessor of the newest token brings that one again for 30 seconds, and
// is reuse afterwards.
type windowRule struct{ book }

func (r *windowRule) refresh(_ context.Context, token, _ string) (string, error) {
	f, n, _ := r.read(token)
	switch {
	case f.ended:
		return "", nil
	case n == f.newest:
		return r.rotate(f), nil
	case n == f.newest-1 && r.sinceRotated(f) <= grace:
		return f.text(), nil
	}
	f.ended = true
	return "", nil
}

// latestRule is a grace period that is over when the new token is used, and in which every answer takes the place of the
// one before, a few times (WSO2 Identity Server 7.4, 2026, with its defaults and the most replays that can be set).
type latestRule struct{ book }

func (r *latestRule) refresh(_ context.Context, token, _ string) (string, error) {
	f, n, answer := r.read(token)
	switch {
	case f.ended:
		return "", nil
	case n == f.newest && answer == f.answer:
		return r.rotate(f), nil
	case n == f.newest-1 && r.sinceRotated(f) <= grace && f.answer < replays:
		f.answer++
		return f.text(), nil
	}
	f.ended = true
	return "", nil
}

// counterRule takes the predecessor without a limit, and any token shortly after a refresh, for the newest one (Supabase Auth
// since 2025, refresh tokens of version 2).
type counterRule struct{ book }

func (r *counterRule) refresh(_ context.Context, token, _ string) (string, error) {
	f, n, _ := r.read(token)
	switch now := r.clock.elapsed(); {
	case f.ended:
		return "", nil
	case n == f.newest:
		f.asked = now
		return r.rotate(f), nil
	case n == f.newest-1, now-f.asked < reuse:
		f.asked = now
		return f.text(), nil
	}
	f.ended = true
	return "", nil
}

// book is what a reference keeps: all Sessions, without a server or a database.
type book struct {
	clock    *clock
	families []*family
}

// family is one Session of it.
type family struct {
	id      int
	newest  int
	answer  int           // of the newest, where there is more than one
	rotated time.Duration // when the newest began
	asked   time.Duration // when it was last refreshed, by whichever token
	ended   bool
}

// text is the newest token.
func (f *family) text() string {
	return strconv.Itoa(f.id) + "." + strconv.Itoa(f.newest) + "." + strconv.Itoa(f.answer)
}

func (b *book) rotate(f *family) string {
	f.newest, f.answer, f.rotated = f.newest+1, 0, b.clock.elapsed()
	return f.text()
}

func (b *book) sinceRotated(f *family) time.Duration { return b.clock.elapsed() - f.rotated }

func (b *book) code(context.Context, int) (string, error) { //nolint:unparam // as an issuer's
	f := &family{id: len(b.families)}
	b.families = append(b.families, f)
	return f.text(), nil
}

func (b *book) redeem(_ context.Context, r redemption) (string, error) { //nolint:unparam // as an issuer's
	return r.code, nil
}

func (b *book) ended(context.Context, string) (string, error) { return "reuse", nil }

// read finds the family, the number and the answer in a token, which only this book makes.
func (b *book) read(token string) (f *family, n, answer int) {
	var parts [3]int
	for i, part := range strings.SplitN(token, ".", len(parts)) {
		parts[i], _ = strconv.Atoi(part)
	}
	return b.families[parts[0]], parts[1], parts[2]
}
