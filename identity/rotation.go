package identity

// MaxBranch bounds the forks of one generation: the 1,000th ends the Session (DESIGN §2).
const MaxBranch = 999

// Line is where a Session's succession of refresh tokens stands: the row's three counters.
type Line struct {
	Generation uint32
	Branch     uint16 // newest branch of this generation; those from 0 up to it are live until one is used
	Previous   uint16 // branch whose use began this generation
}

// Rotation says how a client's refresh tokens follow one another (metadata refresh_rotation).
type Rotation string

// The rotations.
const (
	RotateForking Rotation = "rotate" // the default: an honest retry goes on
	RotateStrict  Rotation = "strict" // the predecessor is reuse, whoever comes with it
	RotateNone    Rotation = "none"   // the current token stays where its holder proves more than it (FAPI 2.0 §5.3.2.1)
)

// Move is what presenting a refresh token does to its Session.
type Move int

// The moves of the rotation rule.
const (
	Reuse       Move = iota // end the Session: two parties hold the line
	Rotate                  // a current token: the next generation begins
	Fork                    // the predecessor of an unused successor, by a bearer: a new branch beside it
	SameAgain               // the predecessor, by a holder who proved who they are: the same successor, nothing written
	RollForward             // ahead of the row: only we can have minted it, so the row is behind
	Exhausted               // the 1,000th branch of one generation: end the Session
	Keep                    // a current token of a client that does not rotate, by a proved holder: it stays
)

// String names the move as Events do.
func (m Move) String() string {
	return [...]string{"reuse", "rotate", "fork", "same", "roll_forward", "forks", "keep"}[m]
}

// outcome is what a refresh by this move counts as.
func (m Move) outcome() RefreshOutcome {
	return [...]RefreshOutcome{Reused, Rotated, Forked, SameGiven, RolledOn, Reused, Kept}[m]
}

// Presented is an authentic refresh token of a Session in somebody's hands.
type Presented struct {
	Generation uint32
	Branch     uint16
	Proved     bool     // the holder authenticated as the client, or proved the Session's key
	Rotation   Rotation // the client's; empty means RotateForking
}

// Present is the rotation rule (DESIGN §2): what presenting a token does, and where the line stands afterwards; the next
// token is at the returned Generation and Branch. No clock and no network takes part.
func (l Line) Present(p Presented) (Move, Line) {
	if p.Rotation == RotateNone && !p.Proved { // a copy of a token that stays would never be found out
		p.Rotation = RotateForking
	}
	current := p.Generation == l.Generation && p.Branch <= l.Branch
	predecessor := p.Generation+1 == l.Generation && p.Branch == l.Previous && p.Rotation != RotateStrict
	switch {
	case current && p.Rotation == RotateNone && l.Branch == 0:
		return Keep, l
	case current:
		return Rotate, Line{Generation: p.Generation + 1, Previous: p.Branch}
	case p.Generation >= l.Generation && p.Rotation == RotateNone:
		return RollForward, Line{Generation: p.Generation, Branch: p.Branch}
	case p.Generation >= l.Generation:
		return RollForward, Line{Generation: p.Generation + 1, Previous: p.Branch}
	case predecessor && p.Proved:
		return SameAgain, l
	case predecessor && l.Branch < MaxBranch:
		return Fork, Line{Generation: l.Generation, Branch: l.Branch + 1, Previous: l.Previous}
	case predecessor:
		return Exhausted, l
	default:
		return Reuse, l
	}
}

// cause is why a Session ends by this move.
func (m Move) cause() EndCause {
	if m == Exhausted {
		return EndForks
	}
	return EndReuse
}

// event is what a move that goes on has to tell about a line that stood at before; empty for the ordinary ones.
func (m Move) event(before Line) EventKind {
	switch {
	case m == RollForward:
		return SessionRolled
	case m == Rotate && before.Branch > 0:
		return SessionForked
	default:
		return ""
	}
}
