package identity

// MaxBranch bounds the forks of one generation: the 1,000th ends the Session (DESIGN §2).
const MaxBranch = 999

// Line is where a Session's succession of refresh tokens stands: the row's three counters.
type Line struct {
	Generation uint32
	Branch     uint16 // newest branch of this generation; those from 0 up to it are live until one is used
	Previous   uint16 // branch whose use began this generation
}

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
)

// String names the move as Events do.
func (m Move) String() string {
	return [...]string{"reuse", "rotate", "fork", "same", "roll_forward", "forks"}[m]
}

// Present is the rotation rule (DESIGN §2): what an authentic token of this Session at generation g, branch b does, and
// where the line stands afterwards; the next token is at the returned Generation and Branch. proved says that the holder
// authenticated as the client or by the Session's key. No clock and no network takes part.
func (l Line) Present(g uint32, b uint16, proved bool) (Move, Line) {
	switch {
	case g == l.Generation && b <= l.Branch:
		return Rotate, Line{Generation: g + 1, Previous: b}
	case g >= l.Generation:
		return RollForward, Line{Generation: g + 1, Previous: b}
	case g+1 == l.Generation && b == l.Previous && proved:
		return SameAgain, l
	case g+1 == l.Generation && b == l.Previous && l.Branch < MaxBranch:
		return Fork, Line{Generation: l.Generation, Branch: l.Branch + 1, Previous: l.Previous}
	case g+1 == l.Generation && b == l.Previous:
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
