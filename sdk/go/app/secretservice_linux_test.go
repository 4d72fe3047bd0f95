package app

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
	ss "github.com/zalando/go-keyring/secret_service"
)

// secretService is a keyring of freedesktop.org's kind behind a bus of its own: what goes wrong is said by the library that apps use.
type secretService struct {
	listener net.Listener

	mu     sync.Mutex
	conns  []net.Conn
	locked bool     // and the person presses Cancel whenever they are asked
	users  []string // whose each secret is
	kept   [][]byte
}

// newSecretService is the keyring of this process from now on.
func newSecretService(t *testing.T) *secretService {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "bus")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	s := &secretService{listener: listener}
	t.Cleanup(s.leave)
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path="+socket)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.conns = append(s.conns, conn)
			s.mu.Unlock()
			go s.serve(conn)
		}
	}()
	return s
}

// leave is a machine without a bus.
func (s *secretService) leave() {
	_ = s.listener.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, conn := range s.conns {
		_ = conn.Close()
	}
	for bus, err := dbus.SessionBus(); err == nil && bus.Connected(); { // until the library has noticed
		time.Sleep(time.Millisecond)
	}
}

func (s *secretService) lock(locked bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.locked = locked
}

// serve speaks D-Bus: who it is, in lines, and then messages.
func (s *secretService) serve(conn net.Conn) {
	defer conn.Close()
	in := bufio.NewReader(conn)
	if _, err := in.ReadByte(); err != nil { // the zero byte that credentials come with
		return
	}
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		word := strings.TrimSpace(line)
		if word == "BEGIN" {
			break
		}
		answer := map[bool]string{true: "OK 1234deadbeef", false: "ERROR"}[strings.HasPrefix(word, "AUTH EXTERNAL")]
		if word == "AUTH" {
			answer = "REJECTED EXTERNAL"
		}
		_, _ = fmt.Fprintf(conn, "%s\r\n", answer)
	}
	for {
		message, err := dbus.DecodeMessage(in)
		if err != nil {
			return
		}
		emit(conn, dbus.TypeMethodReply, map[dbus.HeaderField]any{dbus.FieldReplySerial: message.Serial()}, s.answer(message))
		if member(message) == "Prompt" { // Cancel
			emit(conn, dbus.TypeSignal, map[dbus.HeaderField]any{
				dbus.FieldPath: prompt, dbus.FieldInterface: "org.freedesktop.Secret.Prompt", dbus.FieldMember: "Completed",
			}, []any{true, dbus.MakeVariant([]dbus.ObjectPath{})})
		}
	}
}

const (
	prompt = dbus.ObjectPath("/org/freedesktop/secrets/prompt/1")
	login  = dbus.ObjectPath("/org/freedesktop/secrets/collection/login")
	none   = dbus.ObjectPath("/")
)

func member(m *dbus.Message) string {
	name, _ := m.Headers[dbus.FieldMember].Value().(string)
	return name
}

// answer does what a method does, for the one collection that there is.
func (s *secretService) answer(m *dbus.Message) []any {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch member(m) {
	case "Hello":
		return []any{":1.1"}
	case "Get":
		return []any{dbus.MakeVariant([]dbus.ObjectPath{login})}
	case "OpenSession":
		return []any{dbus.MakeVariant(""), dbus.ObjectPath("/org/freedesktop/secrets/session/1")}
	case "Unlock":
		if s.locked {
			return []any{[]dbus.ObjectPath{}, prompt}
		}
		return []any{m.Body[0], none}
	case "SearchItems":
		found := []dbus.ObjectPath{}
		for i, user := range s.users {
			if user == m.Body[0].(map[string]string)["username"] {
				found = append(found, dbus.ObjectPath(fmt.Sprintf("%s/%d", login, i)))
			}
		}
		return []any{found}
	case "CreateItem":
		about := m.Body[0].(map[string]dbus.Variant)["org.freedesktop.Secret.Item.Attributes"].Value().(map[string]string)
		s.users = append(s.users, about["username"])
		s.kept = append(s.kept, m.Body[1].([]any)[2].([]byte))
		return []any{login, none}
	case "GetSecret":
		var i int
		_, _ = fmt.Sscanf(string(m.Headers[dbus.FieldPath].Value().(dbus.ObjectPath)), string(login)+"/%d", &i)
		return []any{ss.NewSecret(none, string(s.kept[i]))}
	}
	return nil // AddMatch, RemoveMatch, Prompt, Close
}

// emit sends a message.
func emit(to io.Writer, kind dbus.Type, headers map[dbus.HeaderField]any, body []any) {
	m := dbus.Message{Type: kind, Headers: map[dbus.HeaderField]dbus.Variant{}, Body: body}
	for name, value := range headers {
		m.Headers[name] = dbus.MakeVariant(value)
	}
	if len(body) > 0 {
		m.Headers[dbus.FieldSignature] = dbus.MakeVariant(dbus.SignatureOf(body...))
	}
	m.Headers[dbus.FieldSender] = dbus.MakeVariant(":1.0")
	var b bytes.Buffer
	if err := m.EncodeTo(&b, binary.LittleEndian); err != nil {
		panic(err) // of this test's own making
	}
	binary.LittleEndian.PutUint32(b.Bytes()[8:], 1) // no message has the number 0
	_, _ = to.Write(b.Bytes())
}
