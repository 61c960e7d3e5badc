package auth

import "github.com/fairlead-go/ssh/wire"

// Method none (RFC 4252 section 5.2) has no fields.

func parseNoFields(fields []byte) error {
	r := wire.NewReader(fields)
	if err := r.End(); err != nil {
		return malformed("none request", err)
	}
	return nil
}

func judgeNone(s *server, a *Attempt, fields []byte) (verdict, error) {
	if err := parseNoFields(fields); err != nil {
		return verdict{}, failMessage(s.pc, err)
	}
	permissions, err := s.cfg.None(s.ctx, a)
	if err != nil {
		return denied(err), nil
	}
	return verdict{proof: &Proof{Method: MethodNone}, permissions: permissions}, nil
}
