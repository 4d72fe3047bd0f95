package identity

import (
	"regexp"
	"slices"
	"strconv"
	"time"
)

// MarkKind says by which claim a mark refuses access tokens.
type MarkKind string

// The kinds of marks, as the feed of endings spells them.
const (
	MarkSession MarkKind = "s" // all of one Session
	MarkToken   MarkKind = "t" // one
	MarkPerson  MarkKind = "p" // all of a person's Sessions of an older epoch, but of those that are kept
	MarkClient  MarkKind = "c" // all that a client got under an older epoch
)

// MarkProfile refuses nothing, and is no one's business but ours: what a person is called, or whether their address is
// verified, reads otherwise now. Its subject is the user's id.
const MarkProfile MarkKind = "u"

// maxKept is how many Sessions a mark keeps by name. Where more would be, it keeps none: they refresh once.
const maxKept = 100

// Mark says which access tokens, though their time has not come, nobody may believe any more. Marks are a set: one that is
// applied twice or in another order does no harm, and none takes another back.
type Mark struct {
	Kind    MarkKind
	Subject string // the sid, jti, sub or client_id
	Epoch   int64  // that began with it, of the person or the client
	Keep    []ID   // of a person: Sessions that go on, whatever epoch their tokens say
}

// Keeping returns the mark with the Sessions that it keeps.
func (m Mark) Keeping(sids []ID) Mark {
	if len(sids) <= maxKept {
		m.Keep = sids
	}
	return m
}

// Marked are the claims of an access token that marks judge. An epoch that a token does not say is 0.
type Marked struct {
	Sub         string `json:"sub"`
	SessionID   string `json:"sid"`
	ID          string `json:"jti"`
	ClientID    string `json:"client_id"`
	Epoch       int64  `json:"sub_epoch"`
	ClientEpoch int64  `json:"client_epoch"`
}

// Refuses reports whether a mark refuses an access token. No clock takes part: what was issued before the mark says an
// older epoch, and what was issued after it says the mark's.
func (m Mark) Refuses(t Marked) bool {
	switch m.Kind {
	case MarkSession:
		return t.SessionID == m.Subject
	case MarkToken:
		return t.ID == m.Subject
	case MarkPerson:
		return t.SessionID != "" && t.Sub == m.Subject && t.Epoch < m.Epoch &&
			!slices.ContainsFunc(m.Keep, func(id ID) bool { return id.String() == t.SessionID })
	case MarkClient:
		return t.ClientID == m.Subject && t.ClientEpoch < m.Epoch
	case MarkProfile:
	}
	return false
}

// MarkPlace is a place in the feed of endings: how many marks there were up to one, and which one that is. The second part
// tells the place from one of the same number in a database that was put back.
type MarkPlace struct {
	Position int64
	Tag      string // of the mark that stands there; NoTag before the first
}

// NoTag is the tag of the place before the first mark.
const NoTag = "00000000"

// PlacedMark is a mark and its place.
type PlacedMark struct {
	MarkPlace
	Mark
	At time.Time
}

// Text spells a place as a cursor.
func (p MarkPlace) Text() string { return strconv.FormatInt(p.Position, 10) + "." + p.Tag }

var cursor = regexp.MustCompile(`^(0|[1-9][0-9]{0,18})\.([0-9a-f]{8})$`)

// ReadMarkPlace is the way back; false for anything that Text does not spell.
func ReadMarkPlace(text string) (MarkPlace, bool) {
	parts := cursor.FindStringSubmatch(text)
	if parts == nil {
		return MarkPlace{}, false
	}
	position, err := strconv.ParseInt(parts[1], 10, 64)
	return MarkPlace{position, parts[2]}, err == nil
}
