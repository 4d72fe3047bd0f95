package resource

import "math/bits"

// shards keep growth in steps: while one grows, only its own entries are there twice.
const shards = 64

// table is a set of 64-bit hashes, each with a number where numbers is true, in open addressing: 8 or 16 bytes an entry
// and at most twice that. A hash of 0 is taken for 1.
type table struct {
	numbers bool
	parts   [shards]part
	entries int
}

type part struct {
	hashes []uint64 // 0: free
	values []uint64
	used   int
}

// add puts a hash in; of two numbers the greater one stays.
func (t *table) add(h, number uint64) {
	h = max(h, 1)
	p := &t.parts[h%shards]
	if p.used*8 >= len(p.hashes)*7 {
		p.grow(t.numbers)
	}
	if p.put(h, number) {
		t.entries++
	}
}

// find returns the number of a hash.
func (t *table) find(h uint64) (number uint64, found bool) {
	h = max(h, 1)
	p := &t.parts[h%shards]
	if len(p.hashes) == 0 {
		return 0, false
	}
	i := p.place(h)
	if p.hashes[i] == 0 {
		return 0, false
	}
	if p.values != nil {
		number = p.values[i]
	}
	return number, true
}

// place is where a hash is, or would be.
func (p *part) place(h uint64) int {
	high, _ := bits.Mul64(h, uint64(len(p.hashes)))
	for i := int(high); ; i++ {
		if i == len(p.hashes) {
			i = 0
		}
		if p.hashes[i] == 0 || p.hashes[i] == h {
			return i
		}
	}
}

func (p *part) put(h, number uint64) (fresh bool) {
	i := p.place(h)
	fresh = p.hashes[i] == 0
	p.hashes[i] = h
	if p.values != nil {
		p.values[i] = max(p.values[i], number)
	}
	if fresh {
		p.used++
	}
	return fresh
}

// grow makes room for half as many again.
func (p *part) grow(numbers bool) {
	size := max(16, len(p.hashes)+len(p.hashes)/2)
	old := *p
	p.hashes, p.values, p.used = make([]uint64, size), nil, 0
	if numbers {
		p.values = make([]uint64, size)
	}
	for i, h := range old.hashes {
		switch {
		case h == 0:
		case numbers:
			p.put(h, old.values[i])
		default:
			p.put(h, 0)
		}
	}
}
