package storage

import (
	"bytes"
	"slices"
	"sync"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
)

const (
	clientFor  = time.Second // DESIGN §7: an ending holds everywhere within one second
	maxClients = 10_000
)

// clientCache keeps clients for a second. What this process wrote is not cached at all for the next second: a read that
// began before the write was committed must not put back what it saw. The zero value is empty.
type clientCache struct {
	mu      sync.Mutex
	entries map[string]cachedClient
}

type cachedClient struct {
	client  identity.Client
	dropped bool
	until   time.Time
}

// get returns a copy of a client that was read less than a second ago.
func (c *clientCache) get(id string, now time.Time) (identity.Client, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.entries[id]
	if !ok || e.dropped || !now.Before(e.until) {
		return identity.Client{}, false
	}
	return copyClient(e.client), true
}

// put keeps a copy of a client, unless it was written less than a second ago.
func (c *clientCache) put(client identity.Client, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.entries[client.ID]; e.dropped && now.Before(e.until) {
		return
	}
	c.keep(client.ID, cachedClient{client: copyClient(client), until: now.Add(clientFor)})
}

// drop forgets a client that is being written.
func (c *clientCache) drop(id string, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keep(id, cachedClient{dropped: true, until: now.Add(clientFor)})
}

// keep makes room by forgetting everything: so many clients within a second are rare, and all it costs is reading again.
func (c *clientCache) keep(id string, e cachedClient) {
	if c.entries == nil || len(c.entries) >= maxClients {
		c.entries = map[string]cachedClient{}
	}
	c.entries[id] = e
}

// copyClient shares no memory with c, so that no caller changes what another one reads.
func copyClient(c identity.Client) identity.Client {
	c.SecretHash = bytes.Clone(c.SecretHash)
	c.RegistrationHash = bytes.Clone(c.RegistrationHash)
	c.PreviousHash = bytes.Clone(c.PreviousHash)
	c.RedirectURIs = slices.Clone(c.RedirectURIs)
	c.GrantTypes = slices.Clone(c.GrantTypes)
	c.ResponseTypes = slices.Clone(c.ResponseTypes)
	c.Contacts = slices.Clone(c.Contacts)
	c.JWKS = slices.Clone(c.JWKS)
	c.DefaultACRValues = slices.Clone(c.DefaultACRValues)
	c.Resources = slices.Clone(c.Resources)
	c.PostLogoutRedirectURIs = slices.Clone(c.PostLogoutRedirectURIs)
	if c.DefaultMaxAge != nil {
		age := *c.DefaultMaxAge
		c.DefaultMaxAge = &age
	}
	return c
}
