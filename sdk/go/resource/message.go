package resource

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"
)

const maxMarksInBatch = 500

// batch is a message with endings: those after position from, up to position to.
type batch struct {
	from, to int64
	tag      string
	marks    []mark
}

// beat is a sign of life: up to where the server's endings go.
type beat struct {
	at       int64
	tag      string
	nonce    string
	issuedAt int64
	window   time.Duration
	acr      string // that every person's token must have; usually none
}

// message opens what the feed sent: it must be signed by the issuer, as a message of the feed and as nothing else.
func (f *follower) message(ctx context.Context, text string) (map[string]json.RawMessage, error) {
	j, err := parseJWS(text)
	if err != nil {
		return nil, fmt.Errorf("a message of the feed: %w", err)
	}
	if j.typ != "endings+jwt" || j.alg != "ES256" {
		return nil, errors.New("a message of the feed is of another kind")
	}
	if err := f.guard.keys.verify(ctx, j); err != nil {
		return nil, fmt.Errorf("a message of the feed: %w", err)
	}
	return readMessage(j.payload, f.guard.cfg.Issuer)
}

func readMessage(payload []byte, issuer string) (map[string]json.RawMessage, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(payload, &members); err != nil {
		return nil, errors.New("a message of the feed is no JSON object")
	}
	var iss string
	if json.Unmarshal(members["iss"], &iss) != nil || iss != issuer {
		return nil, errors.New("a message of the feed is of another issuer")
	}
	return members, nil
}

// member reads one that must be there.
func member(members map[string]json.RawMessage, name string, to any) error {
	text, ok := members[name]
	if !ok || string(text) == "null" || json.Unmarshal(text, to) != nil {
		return fmt.Errorf("a message of the feed has no %s as it should be", name)
	}
	return nil
}

func readBatch(members map[string]json.RawMessage) (b batch, err error) {
	var list []json.RawMessage
	err = errors.Join(member(members, "from", &b.from), member(members, "to", &b.to), member(members, "tag", &b.tag), member(members, "marks", &list))
	if err != nil {
		return b, err
	}
	if b.from < 0 || b.to < b.from || len(list) > maxMarksInBatch {
		return b, errors.New("a message of the feed is from nowhere, or too large")
	}
	for _, text := range list {
		one, err := readMark(text)
		if err != nil {
			return b, err
		}
		b.marks = append(b.marks, one)
	}
	return b, nil
}

// readMark reads one. A kind that is not known is no reason to go on as if nothing had ended.
func readMark(text []byte) (one mark, err error) {
	var members []json.RawMessage
	var kind string
	bad := func() (mark, error) { return mark{}, fmt.Errorf("a mark that can't be read: %.100q", text) }
	if json.Unmarshal(text, &members) != nil || len(members) < 2 ||
		json.Unmarshal(members[0], &kind) != nil || json.Unmarshal(members[1], &one.name) != nil || one.name == "" {
		return bad()
	}
	lengths := map[string]int{"s": 2, "t": 2, "c": 3, "p": 3}
	if want, known := lengths[kind]; !known || len(members) != want && (kind != "p" || len(members) != 4) {
		return bad()
	}
	one.kind = kind[0]
	if len(members) > 2 && (json.Unmarshal(members[2], &one.epoch) != nil || one.epoch > math.MaxInt64) {
		return bad()
	}
	if len(members) > 3 && (json.Unmarshal(members[3], &one.keep) != nil || len(one.keep) > 100) {
		return bad()
	}
	return one, nil
}

func readBeat(members map[string]json.RawMessage) (b beat, err error) {
	var window int64
	err = errors.Join(member(members, "at", &b.at), member(members, "tag", &b.tag), member(members, "nonce", &b.nonce),
		member(members, "iat", &b.issuedAt), member(members, "window", &window))
	if err != nil {
		return b, err
	}
	if b.at < 0 || window <= 0 || window > int64(maxWindow/time.Second) {
		return b, errors.New("a beat of the feed is from nowhere")
	}
	b.window = time.Duration(window) * time.Second
	if _, there := members["acr"]; there {
		err = member(members, "acr", &b.acr)
	}
	return b, err
}
