package auth

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/fairlead-go/ssh/wire"
)

// Method keyboard-interactive (RFC 4256).

// Numbers 60 and 61 of this method.
const (
	msgInfoRequest  = 60
	msgInfoResponse = 61
)

// A Challenge is one INFO_REQUEST: what a server asks in one go. In a client,
// all its text is the server's: escape before printing.
type Challenge struct {
	Name        string
	Instruction string
	Questions   []Question // at most 100; without any, the challenge is for reading only
}

// A Question is one prompt of a [Challenge].
type Question struct {
	Prompt string
	Echo   bool // whether the answer may be shown as it is typed
}

// interactiveFields follow the method's name (RFC 4256 section 3.1).
type interactiveFields struct {
	language, submethods string
}

func (m *interactiveFields) append(b []byte) []byte {
	return wire.AppendString(wire.AppendString(b, m.language), m.submethods)
}

func (m *interactiveFields) parse(fields []byte) error {
	r := wire.NewReader(fields)
	m.language, m.submethods = r.Text(), r.Text()
	if err := r.End(); err != nil {
		return malformed("keyboard-interactive request", err)
	}
	return nil
}

// infoRequest is USERAUTH_INFO_REQUEST (RFC 4256 section 3.2).
type infoRequest struct {
	Challenge
	language string
}

func (m *infoRequest) append(b []byte) []byte {
	b = wire.AppendString(append(b, msgInfoRequest), m.Name)
	b = wire.AppendString(b, m.Instruction)
	b = wire.AppendString(b, m.language)
	b = wire.AppendUint32(b, uint32(len(m.Questions)))
	for _, q := range m.Questions {
		b = wire.AppendBool(wire.AppendString(b, q.Prompt), q.Echo)
	}
	return b
}

func (m *infoRequest) parse(p []byte) error {
	r := expect(p, msgInfoRequest)
	m.Name, m.Instruction, m.language = r.Text(), r.Text(), r.Text()
	m.Questions = nil
	n := r.Uint32()
	if n > maxQuestions {
		r.Fail(fmt.Errorf("%w: %d questions", wire.ErrInvalid, n))
	}
	for range n {
		if r.Err() != nil {
			break
		}
		m.Questions = append(m.Questions, Question{Prompt: r.Text(), Echo: r.Bool()})
	}
	if err := r.End(); err != nil {
		return malformed("USERAUTH_INFO_REQUEST", err)
	}
	return nil
}

// infoResponse is USERAUTH_INFO_RESPONSE (RFC 4256 section 3.4).
type infoResponse struct {
	answers []string
}

func (m *infoResponse) append(b []byte) []byte {
	b = wire.AppendUint32(append(b, msgInfoResponse), uint32(len(m.answers)))
	for _, answer := range m.answers {
		b = wire.AppendString(b, answer)
	}
	return b
}

func (m *infoResponse) parse(p []byte) error {
	r := expect(p, msgInfoResponse)
	m.answers = nil
	n := r.Uint32()
	if n > maxQuestions {
		r.Fail(fmt.Errorf("%w: %d answers", wire.ErrInvalid, n))
	}
	for range n {
		if r.Err() != nil {
			break
		}
		m.answers = append(m.answers, r.Text())
	}
	if err := r.End(); err != nil {
		return malformed("USERAUTH_INFO_RESPONSE", err)
	}
	return nil
}

func judgeInteractive(s *server, a *Attempt, fields []byte) (verdict, error) {
	var m interactiveFields
	if err := m.parse(fields); err != nil {
		return verdict{}, failMessage(s.pc, err)
	}
	d := &dialogue{server: s}
	permissions, err := s.cfg.KeyboardInteractive(s.ctx, a, d.ask)
	d.over.Store(true)
	switch {
	case d.fatal:
		return verdict{}, d.err
	case d.err != nil:
		return denied(d.err), nil
	case err != nil:
		return denied(err), nil
	}
	return verdict{proof: &Proof{Method: MethodKeyboardInteractive}, permissions: permissions}, nil
}

// A dialogue is one keyboard-interactive request on the server.
type dialogue struct {
	server *server
	err    error // the first failure of ask, which refuses the request
	fatal  bool  // err ended the connection
	over   atomic.Bool
}

// ask sends one challenge and waits for its answers.
func (d *dialogue) ask(ctx context.Context, c *Challenge) ([]string, error) {
	if d.over.Load() {
		return nil, errors.New("auth: the dialogue is over")
	}
	if d.err != nil {
		return nil, d.err
	}
	answers, err := d.exchange(ctx, c)
	d.err = err
	return answers, err
}

func (d *dialogue) exchange(ctx context.Context, c *Challenge) ([]string, error) {
	s := d.server
	if len(c.Questions) > maxQuestions {
		return nil, fmt.Errorf("auth: %d questions in one challenge, %d at most", len(c.Questions), maxQuestions)
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	// A read cannot be taken back: a context that ends now ends the connection.
	stop := context.AfterFunc(ctx, func() { s.pc.Fail(context.Cause(ctx)) })
	defer stop()
	request := infoRequest{Challenge: *c}
	err := s.send(request.append(nil))
	var p []byte
	if err == nil {
		p, err = s.read()
	}
	if err != nil {
		d.fatal = true
		return nil, err
	}
	switch p[0] {
	case msgInfoResponse:
	case wire.MsgUserauthRequest:
		s.pending = p
		return nil, ErrAborted
	default:
		d.fatal = true
		return nil, failState(s.pc, p[0])
	}
	defer clear(p[1:])
	var m infoResponse
	if err := m.parse(p); err != nil {
		d.fatal = true
		return nil, failMessage(s.pc, err)
	}
	if len(m.answers) != len(c.Questions) {
		return nil, fmt.Errorf("auth: %d answers to %d questions", len(m.answers), len(c.Questions))
	}
	return m.answers, nil
}

// KeyboardInteractive is method keyboard-interactive. answer is called for
// each challenge, also for one without questions, and returns one answer for
// each question. tries is how many dialogues to have at most, 0 for 3; one
// that the server refuses without a question is the last. An error of answer
// ends this method and goes into [Error.Errs]; others are still tried.
func KeyboardInteractive(answer func(ctx context.Context, c *Challenge) ([]string, error), tries int) Method {
	if tries <= 0 {
		tries = defaultTries
	}
	return &interactiveMethod{answer: answer, tries: tries}
}

type interactiveMethod struct {
	answer func(context.Context, *Challenge) ([]string, error)
	tries  int
}

func (*interactiveMethod) Name() string { return MethodKeyboardInteractive }
func (m *interactiveMethod) start() clientMethod {
	return &interactiveRun{interactiveMethod: m, left: m.tries}
}

// interactiveRun is an interactiveMethod's state on one connection.
type interactiveRun struct {
	*interactiveMethod
	left int
}

// partial implements clientMethod: the server may have another dialogue.
func (r *interactiveRun) partial() { r.left = r.tries }

// attempt has one dialogue.
func (r *interactiveRun) attempt(c *client) (outcome, error) {
	if r.left == 0 {
		return outcome{spent: true}, nil
	}
	r.left--
	var fields interactiveFields
	if err := c.request(MethodKeyboardInteractive, fields.append(nil)); err != nil {
		return outcome{}, err
	}
	for asked := false; ; asked = true {
		p, err := c.reply(wire.MsgUserauthSuccess, wire.MsgUserauthFailure, msgInfoRequest)
		if err != nil {
			return outcome{}, err
		}
		if p[0] != msgInfoRequest {
			if !asked {
				r.left = 0
			}
			return c.decide(p)
		}
		if c.infoRequests++; c.infoRequests > maxInfoRequests {
			return outcome{}, c.tooMany("questions")
		}
		var m infoRequest
		if err := m.parse(p); err != nil {
			return outcome{}, failMessage(c.pc, err)
		}
		answers, err := r.answer(c.ctx, &m.Challenge)
		if err == nil && len(answers) != len(m.Questions) {
			err = fmt.Errorf("auth: %d answers to %d questions", len(answers), len(m.Questions))
		}
		if err != nil {
			return c.giveUp(MethodKeyboardInteractive, err)
		}
		response := infoResponse{answers: answers}
		b := response.append(nil)
		err = c.send(b)
		clear(b)
		if err != nil {
			return outcome{}, err
		}
	}
}
