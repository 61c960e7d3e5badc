package wire_test

import (
	"fmt"

	"github.com/fairlead-go/ssh/wire"
)

// SSH_MSG_CHANNEL_DATA (RFC 4254 section 5.2), written and read.
func Example() {
	message := []byte{wire.MsgChannelData}
	message = wire.AppendUint32(message, 3) // recipient channel
	message = wire.AppendString(message, "hello")
	fmt.Printf("%x\n", message)

	r := wire.NewReader(message)
	number := r.Byte()
	channel := r.Uint32()
	data := r.Bytes()
	if err := r.End(); err != nil { // once, after all fields
		fmt.Println(err)
		return
	}
	fmt.Println(number, channel, string(data))

	r = wire.NewReader(message[:8])
	r.Byte()
	r.Uint32()
	r.Bytes()
	fmt.Println(r.End())
	// Output:
	// 5e000000030000000568656c6c6f
	// 94 3 hello
	// wire: message is truncated
}
