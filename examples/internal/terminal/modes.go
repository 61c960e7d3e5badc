package terminal

// A Mode is one terminal mode, by its opcode of RFC 4254 section 8.
type Mode struct {
	Opcode uint8
	Value  uint32
}

// Opcodes that are not a flag or a control character.
const (
	opISpeed = 128 // bits per second
	opOSpeed = 129
)

// noCharacter is a control character that is switched off (RFC 4254 section 8: 255).
const noCharacter = 255
