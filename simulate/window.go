package simulate

import (
	"context"
	"strconv"
	"strings"
	"time"
)

// grace is how long others accept the predecessor of a token.
const grace = 30 * time.Second

// windowRule is the reference: the usual grace period as other servers have it, without a server or a database. The
// predecessor of the newest token brings the same successor again for 30 seconds, and is reuse afterwards.
type windowRule struct {
	clock    *clock
	families []*family
}

func (w *windowRule) code(context.Context, int) (string, error) {
	w.families = append(w.families, &family{})
	return strconv.Itoa(len(w.families) - 1), nil
}

func (w *windowRule) redeem(_ context.Context, code, _ string) (string, error) {
	return code + ".0", nil
}

func (w *windowRule) refresh(_ context.Context, token, _ string) (string, error) {
	f, id, n := w.read(token)
	next := func() (string, error) { return id + "." + strconv.Itoa(f.newest), nil }
	switch {
	case f.ended:
		return "", nil
	case n == f.newest:
		f.newest, f.rotated = n+1, w.clock.elapsed()
		return next()
	case n == f.newest-1 && w.clock.elapsed()-f.rotated <= grace:
		return next()
	}
	f.ended = true
	return "", nil
}

func (w *windowRule) ended(context.Context, string) (string, error) { return "reuse", nil }

// read finds the family and the number in a token, which only this rule makes.
func (w *windowRule) read(token string) (f *family, id string, n int) {
	id, number, _ := strings.Cut(token, ".")
	i, _ := strconv.Atoi(id)
	n, _ = strconv.Atoi(number)
	return w.families[i], id, n
}

// family is one Session of it.
type family struct {
	newest  int
	rotated time.Duration
	ended   bool
}
