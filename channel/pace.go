package channel

import "time"

// A pace tells whether who borrows the turn to read while much comes reads most
// of the time. Who takes longer with what it gets would be better served if
// another goroutine went on reading meanwhile. It belongs to who reads, and costs
// nothing where little comes.
type pace struct {
	slow          bool      // too much time was spent away
	much          bool      // came during this borrow
	began, back   time.Time // this borrow, and the end of the last; zero where little came before
	reading, away time.Duration
}

// paceTime is after how much of both times they are compared.
const paceTime = 4 * turnTime

// begin and end are called at both ends of a borrow.
func (p *pace) begin() {
	p.much = false
	p.began = p.returned()
}

func (p *pace) end() {
	if !p.much {
		p.back = time.Time{}
		return
	}
	p.back = time.Now()
	if !p.began.IsZero() {
		p.reading += p.back.Sub(p.began)
	}
	p.judge()
}

// returned ends the time away, if one was measured, and returns when that was.
func (p *pace) returned() (now time.Time) {
	if !p.back.IsZero() {
		now = time.Now()
		p.away += now.Sub(p.back)
		p.back = time.Time{}
	}
	return now
}

// judge compares the times once they are long enough.
func (p *pace) judge() {
	if p.reading+p.away < paceTime {
		return
	}
	p.slow = p.slow || p.away > p.reading/2
	p.reading, p.away = 0, 0
}
