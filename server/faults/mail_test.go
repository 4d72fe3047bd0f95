package faults

import (
	"io"
	"net/http"
	netmail "net/mail"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/mail/mailtest"
)

// What SMTP can promise: a server that dies, or hears nothing, between its mail and the answer "250" must send once more, so
// a mail arrives at least once, and always under the same Message-ID, by which mailboxes know a second copy (RFC 5322 §3.6.4). So
// Message-IDs are what is counted here: one for each cause that was committed, and none for one that was not.

const (
	// deafOf is of how many mails the mail server takes one and its answer says that it did not, once: a mail that fails five times
	// waits for ten minutes.
	deafOf = 5
	// asksAtMost keeps below what one network may ask for in an hour.
	asksAtMost = 90
)

// mailbox is everybody's.
type mailbox struct {
	server *mailtest.Server

	mu    sync.Mutex
	ids   map[string]map[string]int // copies, by address and Message-ID
	mails int                       // Message-IDs
	deaf  int                       // how many copies it took and said that it did not
	asks  int                       // for a link to choose another password
	asked map[string]int            // of these, those that may have been committed, by address
	sent  map[string]int            // those that were answered
}

// newMailbox is a mail server that every server of the cluster sends by.
func (p *play) newMailbox() *mailbox {
	m := &mailbox{ids: map[string]map[string]int{}, asked: map[string]int{}, sent: map[string]int{}}
	m.server = mailtest.Run(p.t, mailtest.Options{Content: m.take})
	return m
}

// take notes what arrived. Of some it says that it did not, as the sender sees it whom the answer does not reach.
func (m *mailbox) take(to string, r io.Reader) error {
	message, err := netmail.ReadMessage(r)
	if err != nil {
		return err
	}
	id := message.Header.Get("Message-ID")
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ids[to] == nil {
		m.ids[to] = map[string]int{}
	}
	m.ids[to][id]++
	if m.ids[to][id] > 1 {
		return nil
	}
	m.mails++
	if m.mails%deafOf != 0 {
		return nil
	}
	m.deaf++
	return &smtp.SMTPError{Code: 451, Message: "it is in the box, and nobody knows"}
}

// forget has somebody ask for a link to choose another password until that is answered, or is refused as too much.
func (p *play) forget(email string) {
	form := url.Values{"username": {email}}
	for began := time.Now(); time.Since(began) < patience && p.mails.mayAsk(email); time.Sleep(100 * time.Millisecond) {
		req, err := http.NewRequestWithContext(p.ctx, http.MethodPost, p.c.Issuer+"/forgot", strings.NewReader(form.Encode()))
		if err != nil {
			p.t.Error(err)
			return
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		resp, err := p.phones.Do(req)
		if err != nil {
			continue
		}
		_ = resp.Body.Close()
		switch resp.StatusCode {
		case http.StatusOK:
			p.mails.answered(email, 1, 0)
			return
		case http.StatusTooManyRequests:
			p.mails.answered(email, 0, -1)
			return
		}
	}
}

func (m *mailbox) mayAsk(email string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.asks == asksAtMost {
		return false
	}
	m.asks++
	m.asked[email]++
	return true
}

// answered notes what an answer says of a request that was counted among those that may have been committed.
func (m *mailbox) answered(email string, sent, asked int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sent[email] += sent
	m.asked[email] += asked
}

// mailVerdict judges what arrived: for each theft that an Event tells of one mail to that person, for each answered request one, for one
// whose answer was lost one or none, and nothing to anybody else.
func (p *play) mailVerdict(stolen map[string]int) {
	p.t.Helper()
	m, least, most := p.mails, map[string]int{}, map[string]int{}
	for email, n := range stolen {
		least[email], most[email] = n, n
	}
	for email, n := range m.asked {
		least[email], most[email] = least[email]+m.sent[email], most[email]+n
	}
	p.emptied()
	m.mu.Lock()
	defer m.mu.Unlock()
	copies := 0
	for email, n := range least {
		if got := len(m.ids[email]); got < n {
			p.t.Errorf("%s got %d mails of %d", email, got, n)
		}
	}
	for email, ids := range m.ids {
		if len(ids) > most[email] || ids[""] > 0 {
			p.t.Errorf("%s got %d mails, and %d are accounted for: %v", email, len(ids), most[email], ids)
		}
		for _, n := range ids {
			copies += n
		}
	}
	if copies < m.mails+m.deaf || m.deaf == 0 {
		p.t.Errorf("%d mails in %d copies, of which %d were taken without a word", m.mails, copies, m.deaf)
	}
	p.t.Logf("%d mails arrived, in %d copies, %d of them taken without a word", m.mails, copies, m.deaf)
}

// emptied waits until the outbox is, the mails are in the box then.
func (p *play) emptied() {
	p.t.Helper()
	var left []identity.ListedDelivery
	for began := time.Now(); time.Since(began) < toldWithin; time.Sleep(100 * time.Millisecond) {
		var err error
		if left, err = p.who.db.Deliveries(p.ctx, identity.DeliveryFilter{Limit: 1000}); err == nil && len(left) == 0 {
			return
		}
	}
	for _, d := range left {
		p.t.Errorf("a %s still waits after %d tries, till %v: %s", d.Kind, d.Tries, d.NextTryAt, d.LastError)
	}
}
