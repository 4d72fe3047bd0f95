package identity

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"net/url"
	"slices"
	"strings"
)

// What a client calls people by (OpenID Connect Core 1.0 §8).
const (
	SubjectPublic   = "public"   // as all others do
	SubjectPairwise = "pairwise" // as nobody does outside of its sector
)

// SubjectTypes are all of them.
var SubjectTypes = []string{SubjectPublic, SubjectPairwise}

// Subjects tell what people are called to clients. The salt is made once for a database and never changes: with another one
// everybody would be somebody else to every app.
type Subjects struct{ Salt []byte }

// Of returns the sub that a client knows a person by: the same in every token, answer and notice, and as long as a public one.
func (s Subjects) Of(c Client, u User) string {
	sector := c.Sector()
	if sector == "" {
		return u.Sub
	}
	mac := hmac.New(sha256.New, s.Salt)
	mac.Write(binary.BigEndian.AppendUint16(nil, uint16(len(sector))))
	mac.Write([]byte(sector + u.Sub))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:16])
}

// Sector is the host whose clients know people by the same pairwise subjects (OpenID Connect Core 1.0 §8.1); empty where the client
// knows them by their public ones.
func (m Metadata) Sector() string {
	if m.SubjectType != SubjectPairwise {
		return ""
	}
	if m.SectorURI != "" {
		return sectorOf(m.SectorURI)
	}
	return sectorOf(slices.Concat(m.RedirectURIs, []string{""})[0])
}

func sectorOf(uri string) string {
	u, err := url.Parse(uri)
	if err != nil || u.Scheme != "https" {
		return ""
	}
	return strings.ToLower(u.Hostname())
}

// cleanSubject holds a pairwise client to one sector. An address that any app may have (loopback, a scheme of one's own) is
// none: all that have it would know people by the same subject.
func cleanSubject(m *Metadata) error {
	if m.SubjectType == "" {
		m.SubjectType = SubjectPublic
	}
	if m.SectorURI != "" {
		if err := checkPage("sector_identifier_uri", m.SectorURI); err != nil {
			return err
		}
		if sectorOf(m.SectorURI) == "" {
			return RefuseField("sector_identifier_uri", "Use an https address (OpenID Connect Registration 1.0 section 5).")
		}
	}
	switch {
	case !slices.Contains(SubjectTypes, m.SubjectType):
		return RefuseField("subject_type", "Use public or pairwise.")
	case m.SubjectType == SubjectPublic || m.SectorURI != "":
		return nil
	case !m.signsIn():
		return RefuseField("subject_type", "Use public: nobody signs in to this client.")
	}
	host := m.Sector()
	if host == "" || slices.ContainsFunc(m.RedirectURIs, func(uri string) bool { return sectorOf(uri) != host }) {
		return RefuseField("sector_identifier_uri", "Pairwise subjects are for one host: send sector_identifier_uri, "+
			"or redirect URIs of https and of one host alone.")
	}
	return nil
}
