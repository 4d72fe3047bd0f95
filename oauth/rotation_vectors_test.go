package oauth_test

import (
	"encoding/json"
	"net/http"
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sojourn-auth/sojourn/identity"
)

// vectors are docs/rotation-vectors.json, as §8 of docs/rotation-draft.md describes them.
type vectors struct {
	Rule      string   `json:"rule"`
	MaxBranch uint16   `json:"max_branch"`
	Vectors   []vector `json:"vectors"`
}

type vector struct {
	Name     string            `json:"name"`
	Rotation identity.Rotation `json:"rotation"`
	Holder   string            `json:"holder"` // bearer, key or client
	Row      place             `json:"row"`
	Steps    []presentation    `json:"steps"`
}

// place is generation and branch, and in a row the previous branch.
type place []uint32

func (p place) line() identity.Line {
	return identity.Line{Generation: p[0], Branch: uint16(p[1]), Previous: uint16(p[2])}
}

// presentation is one step: who presents what, and what that does.
type presentation struct {
	By       string `json:"by"`
	Present  place  `json:"present"`
	Proof    *bool  `json:"proof"`    // false: it is missing
	Stranger string `json:"stranger"` // why the token is none of this Session and client
	Times    int    `json:"times"`    // as often; what follows is of the last time
	Answer   string `json:"answer"`
	Token    place  `json:"token"`
	Row      place  `json:"row"`
	Ended    string `json:"ended"`
}

func (p presentation) proves() bool { return p.Proof == nil || *p.Proof }

// judged reports whether the rule is asked at all.
func (p presentation) judged() bool { return p.Answer != "refused" && p.Answer != "over" }

func readVectors(t *testing.T) vectors {
	t.Helper()
	text, err := os.ReadFile("../docs/rotation-vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestRotationVectors_theRulePlaysThem(t *testing.T) {
	t.Parallel()
	all := readVectors(t)
	if all.MaxBranch != identity.MaxBranch {
		t.Errorf("max_branch is %d, want %d", all.MaxBranch, identity.MaxBranch)
	}
	for _, v := range all.Vectors {
		line := v.Row.line()
		for at, step := range v.Steps {
			if !step.judged() {
				if line != step.Row.line() {
					t.Errorf("%s, step %d: %s touches the row", v.Name, at, step.Answer)
				}
				continue
			}
			var move identity.Move
			for range max(1, step.Times) {
				move, line = line.Present(identity.Presented{
					Generation: step.Present[0], Branch: uint16(step.Present[1]), Proved: v.Holder != "bearer", Rotation: v.Rotation,
				})
			}
			token := place{line.Generation, uint32(line.Branch)}
			if move == identity.Reuse || move == identity.Exhausted {
				token = nil
			}
			if move.String() != step.Answer || line != step.Row.line() || !slices.Equal(token, step.Token) {
				t.Errorf("%s, step %d: %v brings %v and leaves %+v, want %+v", v.Name, at, move, token, line, step)
			}
		}
	}
}

// Nobody who plays them passes without having each row of the table, for each kind of holder and rotation that it is for.
func TestRotationVectors_coverTheTable(t *testing.T) {
	t.Parallel()
	seen := map[string]int{}
	for _, v := range readVectors(t).Vectors {
		for _, step := range v.Steps {
			seen[v.Holder+" "+string(v.Rotation)+" "+step.Answer]++
			seen[step.By+" "+step.Answer]++
			seen["stranger "+step.Stranger]++
		}
	}
	for _, want := range []string{
		"bearer rotate rotate", "bearer rotate fork", "bearer rotate forks", "bearer rotate roll_forward", "bearer rotate reuse",
		"bearer strict rotate", "bearer strict roll_forward", "bearer strict reuse", "key strict reuse",
		"bearer none rotate", "bearer none fork",
		"key rotate same", "key rotate refused", "key rotate rotate", "key rotate roll_forward", "key rotate reuse",
		"client rotate same", "client rotate refused", "client rotate rotate", "client rotate roll_forward", "client rotate reuse",
		"key none keep", "key none same", "key none rotate", "key none roll_forward", "key none reuse", "key none refused",
		"client none keep", "client none same", "client none rotate", "client none roll_forward", "client none reuse",
		"thief rotate", "thief fork", "thief reuse", "thief refused", "thief over", "owner fork", "owner reuse", "owner over",
		"stranger forged", "stranger another_client", "stranger another_session", "stranger another_secret",
	} {
		if seen[want] == 0 {
			t.Errorf("no vector has %s", want)
		}
	}
}

// The server itself, over its token endpoint: tokens that it answered with where a vector presents one, else such as it
// would have minted before its row fell behind.
func TestRotationVectors_theServerPlaysThem(t *testing.T) {
	t.Parallel()
	all := readVectors(t)
	onStage(t, func(s *stage) {
		cookie, key := s.signIn(s.user), newProofKey(s, "ES256")
		for _, v := range all.Vectors {
			p := s.player(v, key, cookie)
			for at, step := range v.Steps {
				got := p.play(step)
				if problem := p.judge(step, got); problem != "" {
					s.Errorf("%s, step %d: %s, want %+v", v.Name, at, problem, step)
				}
			}
		}
	})
}

// player is one Session over which a vector is played.
type player struct {
	*stage
	vector
	client, other identity.Client
	key           proofKey
	id            identity.ID
	token         identity.RefreshToken
	given         map[[2]uint32]string // tokens that the server answered with
}

func (s *stage) player(v vector, key proofKey, cookie *http.Cookie) *player {
	s.Helper()
	rotation := func(c *identity.Client) {
		if c.Rotation = v.Rotation; v.Holder == "client" {
			s.confidential(c)
		}
	}
	p := &player{stage: s, vector: v, client: s.app(rotation), other: s.app(), key: key, given: map[[2]uint32]string{}}
	form := redeeming(p.client, s.code(asking(p.client), cookie))
	if v.Holder == "client" {
		form.Del("client_id")
	}
	first := s.post(form, p.proof()...)
	s.good(first)
	row := s.session(first)
	row.Line, p.id = v.Row.line(), row.ID
	if err := s.db.WriteLine(s.Context(), row); err != nil {
		s.Fatal(err)
	}
	var err error
	if p.token, err = s.keys.ReadRefresh(first.RefreshToken); err != nil {
		s.Fatal(err)
	}
	return p
}

// proof is what this holder proves with each request.
func (p *player) proof() []func(*http.Request) {
	switch p.Holder {
	case "key":
		return []func(*http.Request){p.by(p.key)}
	case "client":
		return []func(*http.Request){asClient(p.client, clientSecret)}
	}
	return nil
}

func (p *player) play(step presentation) (got told) {
	p.Helper()
	text, by, proof := p.text(step), p.client, p.proof()
	if step.Stranger == "another_client" {
		by = p.other
	}
	if !step.proves() {
		proof = nil
	}
	form := refreshing(by, text)
	if p.Holder == "client" && step.proves() {
		form.Del("client_id")
	}
	for range max(1, step.Times) {
		got = p.post(form, proof...)
	}
	if got.RefreshToken != "" {
		t, err := p.keys.ReadRefresh(got.RefreshToken)
		if err != nil {
			p.Fatal(err)
		}
		p.given[[2]uint32{t.Generation, uint32(t.Branch)}] = got.RefreshToken
	}
	return got
}

// text is the refresh token of a step.
func (p *player) text(step presentation) string {
	t := p.token.At(step.Present[0], uint16(step.Present[1]))
	switch step.Stranger {
	case "forged":
		text := []byte(p.keys.RefreshText(t))
		text[len(text)/2] ^= 1
		return string(text)
	case "another_session":
		t.SessionID = identity.NewID()
	case "another_secret":
		t.Secret = identity.NewSecret()
	default:
		if text, ok := p.given[[2]uint32{t.Generation, uint32(t.Branch)}]; ok {
			return text
		}
	}
	return p.keys.RefreshText(t)
}

// judge says what is wrong about an answer and the row that it leaves; nothing if nothing is.
func (p *player) judge(step presentation, got told) string {
	p.Helper()
	status, code := http.StatusOK, ""
	switch {
	case step.Answer == "refused" && step.Stranger == "" && p.Holder == "key":
		status, code = http.StatusBadRequest, "invalid_dpop_proof"
	case step.Answer == "refused" && step.Stranger == "" && p.Holder == "client":
		status, code = http.StatusUnauthorized, "invalid_client"
	case step.Token == nil:
		status, code = http.StatusBadRequest, "invalid_grant"
	}
	var token place
	if got.RefreshToken != "" {
		t, err := p.keys.ReadRefresh(got.RefreshToken)
		if err != nil {
			p.Fatal(err)
		}
		token = place{t.Generation, uint32(t.Branch)}
	}
	row, err := p.db.SessionByID(p.Context(), p.id)
	if err != nil {
		p.Fatal(err)
	}
	want := []any{status, code, step.Token, step.Row.line(), step.Ended}
	return cmp.Diff(want, []any{got.Status, got.Error, token, row.Line, string(row.EndCause)})
}
