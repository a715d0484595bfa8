package inception

import "github.com/c236555e/rehead/nn"

// Net is the network as a graph of nn's operators.
type Net struct {
	Input      *nn.Node            // [batch,3,size,size], called "input"
	Bottleneck *nn.Node            // [batch,F]
	Logits     *nn.Node            // [batch,K]; nil when the weights have no classifier
	Taps       map[string]*nn.Node // each block's output by torchvision's name, "Conv2d_1a_3x3" .. "Mixed_7c"
}
