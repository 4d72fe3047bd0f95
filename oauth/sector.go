package oauth

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"slices"

	"github.com/sojourn-auth/sojourn/identity"
)

// maxSector is how many bytes are read of a list of redirect URIs.
const maxSector = 64 << 10

// checkSector asks the host of a sector_identifier_uri whether the client is one of its own (OpenID Connect Registration 1.0 §5):
// what stands there is a list that all of the client's redirect URIs are in. It is read whenever a client says its
// metadata, within no transaction: who may name a host's sector learns who people are there.
func (e *Endpoints) checkSector(ctx context.Context, m identity.Metadata) error {
	if m.SectorURI == "" {
		return nil
	}
	if err := e.admitSector(m.SectorURI); err != nil {
		return err
	}
	body, err := e.readSector(ctx, m.SectorURI)
	if err != nil {
		e.o.Log.DebugContext(ctx, "read a sector_identifier_uri", "error", OwnWords(err))
		if identity.KindOf(err) == identity.Busy {
			return errFetchesBusy
		}
		return sectorRefused("It cannot be read from here: it must answer 200 with JSON of at most 64 KiB within 5 seconds, without a redirect.")
	}
	var listed []string
	if json.Unmarshal(body, &listed) != nil || listed == nil {
		return sectorRefused("What stands there is not a JSON array of redirect URIs.")
	}
	for _, uri := range m.RedirectURIs {
		if !slices.Contains(listed, uri) {
			return sectorRefused("The list that stands there must have each of the client's redirect_uris in it, character for character.")
		}
	}
	return nil
}

// admitSector counts a read: whoever registers clients makes us knock at no host more often than documents of clients may be read.
func (e *Endpoints) admitSector(uri string) error {
	now := e.o.Now()
	if err := e.sectors.take(hostOf(uri), hostReads, now); err != nil {
		return err
	}
	return e.sectors.take("", allReads, now)
}

func sectorRefused(why string) error { return identity.RefuseField("sector_identifier_uri", why) }

func (e *Endpoints) readSector(ctx context.Context, uri string) ([]byte, error) {
	if e.o.Fetch == nil {
		return nil, errNoSet
	}
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, uri, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	resp, err := Unredirected(e.o.Fetch).Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxSector+1))
	if err != nil || resp.StatusCode != http.StatusOK || len(body) > maxSector {
		return nil, errNoSector
	}
	return body, nil
}

// errNoSector says that an answer is none.
var errNoSector = identity.Refuse(identity.Invalid, "the sector_identifier_uri does not answer 200, or says too much")

// sameSubjects refuses an update by which a client would know people by other subjects: each of them would be two to it, and its
// sessions say the one, codes under way the other.
func sameSubjects(before, after identity.Metadata) error {
	if before.Sector() != after.Sector() {
		return identity.RefuseField("subject_type", "A client goes on knowing people by the same subjects: "+
			"send subject_type and sector_identifier_uri as they are, or register another one.")
	}
	return nil
}
