package channel

import (
	"io"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/wire"
)

// A batchConn is a connection whose packets come in batches, as the transport
// finds them in its buffer.
type batchConn struct {
	nullConn
	batches    chan [][]byte
	batch      [][]byte
	beforeRead func()
	resume     chan struct{} // waited for where a batch has nil
}

var _ wire.BatchReader = (*batchConn)(nil)

func (c *batchConn) BeforeRead(f func()) { c.beforeRead = f }

func (c *batchConn) ReadPacket() ([]byte, error) {
	if len(c.batch) == 0 {
		c.beforeRead()
		batch, ok := <-c.batches
		if !ok {
			return nil, io.EOF
		}
		c.batch = batch
	}
	p := c.batch[0]
	c.batch = c.batch[1:]
	if p == nil {
		<-c.resume
		return c.ReadPacket()
	}
	return p, nil
}

// TestReadTakesBatch: what has been received together wakes a Read once, which
// takes all of it, and a Read is woken at the latest after maxPutOff packets.
func TestReadTakesBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pc := &batchConn{batches: make(chan [][]byte), resume: make(chan struct{})}
		m := New(pc, Config{})
		open := channelOpen{channelType: "test", sender: rawNumber, window: 1, maxPacket: rawMaxPacket}
		require.NoError(t, m.dispatch(open.append(nil)))
		nc, err := m.Accept(t.Context())
		require.NoError(t, err)
		c, err := nc.Accept(nil)
		require.NoError(t, err)
		go m.Run()

		reads := make(chan int)
		go func() {
			defer close(reads)
			p := make([]byte, 1000)
			for {
				n, err := c.Read(p)
				if err != nil {
					return
				}
				reads <- n
			}
		}()
		batch := func(packets int) [][]byte {
			b := make([][]byte, packets)
			for i := range b {
				b[i] = channelData{c.number, 0, []byte("abc")}.append(nil)
			}
			return b
		}
		synctest.Wait()
		pc.batches <- batch(5)
		require.Equal(t, 15, <-reads)

		// The second half of this batch is slow.
		const half = maxPutOff + 1
		synctest.Wait()
		pc.batches <- slices.Insert(batch(2*half), half, nil)
		require.Equal(t, 3*half, <-reads)
		synctest.Wait()
		pc.resume <- struct{}{}
		require.Equal(t, 3*half, <-reads)

		synctest.Wait()
		pc.batches <- batch(1)
		close(pc.batches)
		require.Equal(t, 3, <-reads, "what came before the end is read")
		_, more := <-reads
		require.False(t, more)
	})
}

// A holdingConn is a batchConn that notes what is asked of it.
type holdingConn struct {
	batchConn
	did []string
}

func (c *holdingConn) WritePacket(cancel <-chan struct{}, head, body []byte) error {
	c.did = append(c.did, "write")
	return nil
}

func (c *holdingConn) Hold()    { c.did = append(c.did, "hold") }
func (c *holdingConn) Release() { c.did = append(c.did, "release") }
func (c *holdingConn) QueuePacket([]byte) error {
	c.did = append(c.did, "queue")
	return nil
}

// TestAnswersToBatch: what the reader answers to what was received together
// is held until all of that is dispatched.
func TestAnswersToBatch(t *testing.T) {
	pc := &holdingConn{batchConn: batchConn{batches: make(chan [][]byte, 2)}}
	request := globalRequest{name: "x", wantReply: true}.append(nil)
	pc.batches <- [][]byte{request, request}
	pc.batches <- [][]byte{request}
	close(pc.batches)
	require.ErrorIs(t, New(pc, Config{}).Run(), io.EOF)
	require.Equal(t, []string{"hold", "queue", "queue", "release", "hold", "queue", "release"}, pc.did)
}

// TestWriteHolds: the packets of one Write are held until the last, but not while
// it waits for window; a single packet is not.
func TestWriteHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pc := &holdingConn{}
		m := New(pc, Config{})
		const size = MinMaxPacket
		open := channelOpen{channelType: "test", sender: rawNumber, window: 5 * size / 2, maxPacket: size}
		require.NoError(t, m.dispatch(open.append(nil)))
		nc, err := m.Accept(t.Context())
		require.NoError(t, err)
		c, err := nc.Accept(nil)
		require.NoError(t, err)
		pc.did = nil

		wrote := make(chan error)
		go func() {
			_, err := c.Write(make([]byte, 4*size))
			wrote <- err
		}()
		synctest.Wait()
		require.Equal(t, []string{"hold", "write", "write", "write", "release"}, pc.did)
		pc.did = nil
		require.NoError(t, m.dispatch(windowAdjust{c.number, 10 * size}.append(nil)))
		require.NoError(t, <-wrote)
		require.Equal(t, []string{"hold", "write", "write", "release"}, pc.did)

		pc.did = nil
		_, err = c.Write(make([]byte, size))
		require.NoError(t, err)
		require.Equal(t, []string{"write"}, pc.did)
		m.pc.Fail(nil)
	})
}
