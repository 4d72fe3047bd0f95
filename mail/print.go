package mail

import (
	"fmt"
	"io"
	"sync"
)

// printer shows mails instead of sending them, for development: the links in them work.
type printer struct {
	mu sync.Mutex
	to io.Writer
}

func (p *printer) show(from string, m Message) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, err := fmt.Fprintf(p.to, "\n---- mail\nFrom: %s\nTo: %s\nSubject: %s\n\n%s\n---- end of mail\n",
		from, m.To, m.Subject, m.Text)
	return err
}
