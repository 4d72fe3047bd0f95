package resource

import (
	"crypto"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	maxProof   = 8 << 10
	maxID      = 1 << 10          // of a proof
	proofLife  = 60 * time.Second // either way
	replayLife = 2 * proofLife
	maxReplays = 1_000_000 // of a generation
)

// proof is what a DPoP proof says (RFC 9449 §4.2).
type proof struct {
	id, method, url, hash string
	issuedAt              int64
	thumbprint            string
}

// readProof reads a proof whose own key signed it. What it proves is another question.
func readProof(text string, algs []string) (p proof, err error) {
	if len(text) > maxProof {
		return p, errors.New("the proof is too long")
	}
	j, err := parseJWS(text)
	switch {
	case err != nil || j.typ != "dpop+jwt":
		return p, errors.New("the proof is no dpop+jwt")
	case !slices.Contains(algs, j.alg):
		return p, errors.New("the proof has no alg that is taken here")
	}
	key, ok := publicKey(j.jwk)
	if !ok || !fits(key, j.alg) {
		return p, errors.New("the proof has no public key that fits")
	}
	if !j.signedBy(key) {
		return p, errors.New("the proof is not signed by its key")
	}
	sum, err := key.Thumbprint(crypto.SHA256)
	if err != nil {
		return p, errors.New("the proof's key has no thumbprint")
	}
	p.thumbprint = base64.RawURLEncoding.EncodeToString(sum)
	return p, p.read(j.payload)
}

// read reads the claims, by their names as they are written.
func (p *proof) read(payload []byte) error {
	var all map[string]any
	if json.Unmarshal(payload, &all) != nil {
		return errors.New("the proof says no JSON object")
	}
	for name, to := range map[string]*string{"jti": &p.id, "htm": &p.method, "htu": &p.url, "ath": &p.hash} {
		*to, _ = all[name].(string)
	}
	at, there, err := number(all, "iat")
	if p.issuedAt = at; !there || err != nil || p.id == "" || len(p.id) > maxID {
		return errors.New("the proof lacks a claim")
	}
	return nil
}

// errReplaysFull is no verdict: a proof that can't be remembered can't be told from one that is sent twice.
var errReplaysFull = &unavailableError{errors.New("too many proofs in too short a time")}

// prove checks the proof of a request whose token is bound to a key (RFC 9449 §4.3).
func (g *Guard) prove(r *http.Request, token, thumbprint string) error {
	values := r.Header.Values("DPoP")
	if len(values) != 1 {
		return errors.New("send one DPoP proof")
	}
	p, err := readProof(values[0], g.cfg.Algs)
	if err != nil {
		return err
	}
	wanted, err := normal(g.targetOf(r))
	if err != nil {
		return err
	}
	said, err := normal(p.url)
	if err != nil {
		return err
	}
	sum := sha256.Sum256([]byte(token))
	age := g.cfg.Clock.Wall().Unix() - p.issuedAt
	switch {
	case p.thumbprint != thumbprint:
		return errors.New("the proof is by another key than the token's")
	case p.method != r.Method:
		return errors.New("the proof is for another method")
	case said != wanted:
		return errors.New("the proof is for another address")
	case p.hash != base64.RawURLEncoding.EncodeToString(sum[:]):
		return errors.New("the proof is for another token")
	case age > int64(proofLife/time.Second) || age < -int64(proofLife/time.Second):
		return errors.New("the proof was made at another time")
	}
	return g.replays.first(p)
}

// addressOf is where the caller found the API. Where Config.BaseURL does not say it, the caller does: a proof for another API
// that takes the same audience would do.
func (g *Guard) addressOf(r *http.Request) string {
	switch {
	case g.cfg.BaseURL != "":
		return g.cfg.BaseURL
	case r.URL.Host != "":
		return r.URL.Scheme + "://" + r.URL.Host
	case r.TLS != nil:
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

// targetOf is the request's whole address. A URL with a host says it, unless that is not the API's.
func (g *Guard) targetOf(r *http.Request) string {
	if r.URL.Host != "" {
		said := r.URL.Scheme + "://" + r.URL.Host + r.URL.EscapedPath()
		if g.cfg.BaseURL == "" || strings.HasPrefix(said, g.cfg.BaseURL+"/") {
			return said
		}
	}
	return g.addressOf(r) + r.URL.EscapedPath()
}

// normal is an address as it is compared, without query and fragment (RFC 9449 §4.3, RFC 3986 §6.2.2 and §6.2.3).
func normal(address string) (string, error) {
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" || u.User != nil || u.Scheme != "https" && u.Scheme != "http" { // Parse lowers it
		return "", errors.New("the proof is for no address")
	}
	scheme, host := u.Scheme, strings.TrimSuffix(strings.ToLower(u.Host), map[string]string{"https": ":443", "http": ":80"}[u.Scheme])
	path := []byte(u.EscapedPath())
	for i := 0; i+2 < len(path); i++ {
		if path[i] == '%' {
			copy(path[i:], strings.ToUpper(string(path[i:i+3])))
			i += 2
		}
	}
	if len(path) == 0 {
		path = []byte("/")
	}
	return fmt.Sprintf("%s://%s%s", scheme, host, path), nil
}

// replays are the proofs that were seen, in two generations.
type replays struct {
	clock Clock
	seed  maphash.Seed

	mu         sync.Mutex
	began      time.Duration
	young, old *table
}

func newReplays(clock Clock) *replays {
	return &replays{clock: clock, seed: maphash.MakeSeed(), began: clock.Elapsed(), young: &table{}, old: &table{}}
}

// first fails for a proof that was seen. One is of a key: keys can't use up each other's jti.
func (s *replays) first(p proof) error {
	h := maphash.String(s.seed, p.thumbprint+" "+p.id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := s.clock.Elapsed(); now-s.began >= replayLife {
		s.young, s.old, s.began = &table{}, s.young, now
	}
	seen := slices.ContainsFunc([]*table{s.young, s.old}, func(t *table) bool {
		_, found := t.find(h)
		return found
	})
	if seen {
		return errors.New("the proof was used before")
	}
	if s.young.entries >= maxReplays {
		return errReplaysFull
	}
	s.young.add(h, 0)
	return nil
}
