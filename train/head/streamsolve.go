package head

import "math"

// solve makes passes until the head is near enough to the optimum.
func (s *stream) solve() error {
	p := &s.at
	if p.pass == 0 {
		*p = progressPoint{pass: 1, bestLoss: math.Inf(1)}
		if err := s.step(stepFrom{}); err != nil {
			return err
		}
	}
	for {
		resumed := p.next
		if err := s.pass(); err != nil {
			s.keep.save(p.state(s.scale))
			return err
		}
		cert := s.certificate()
		near := cert.gap <= s.cfg.Tolerance*cert.loss
		better := near || cert.loss < p.bestLoss
		if p.pass > 1 {
			p.remember(s.k * s.f)
			p.restrain(better, s.k*s.f)
		}
		if better {
			copy(p.best, p.x)
			copy(p.bestGrad, p.sum)
			p.bestLoss, p.found = cert.loss, cert
		}
		p.losses = append(p.losses, Loss{p.pass, cert.loss})
		p.converged = near
		s.tell(cert)
		if p.converged || p.pass+1 >= s.cfg.Passes {
			return s.end(better, resumed)
		}
		p.pass++
		from := stepFrom{x: p.best, grad: p.bestGrad, loss: p.bestLoss, gap: p.found.gap, prox: s.aloneCurvature(),
			longest: p.longest}
		if err := s.step(from); err != nil {
			return err
		}
	}
}

// remember keeps what the last pass tells of the curvature of the loss with the best bias, where it lies
// beside the best head.
func (p *progressPoint) remember(weights int) {
	s, y := make([]float32, weights), make([]float32, weights)
	for i, v := range p.x[:weights] {
		s[i], y[i] = float32(v-p.best[i]), float32(p.sum[i]-p.bestGrad[i])
	}
	if product(1, s, y) > 0 {
		p.s, p.y = append(p.s, s), append(p.y, y)
	}
}

// aloneCurvature is what is added to the sample's curvature. A row outside the sample has a direction of its
// own, in which the sample, whose own rows the head fits, has next to no curvature: steps along all of these
// went many times too far. A row has p (1-p) |z|^2 of it, of which p (1-p) is 1/4 at most.
func (s *stream) aloneCurvature() float64 {
	if s.drawn.n == s.rows[PartTrain] {
		return 0
	}
	n := float64(s.rows[PartTrain])
	return s.at.square / n / n / 4
}

// restrain bounds the next step after one that led up; good ones widen the bound.
func (p *progressPoint) restrain(better bool, weights int) {
	square := 0.0
	for i, v := range p.x[:weights] {
		d := v - p.best[i]
		square += d * d
	}
	if length := math.Sqrt(square); !better {
		p.longest = length / 2
	} else if p.longest > 0 {
		p.longest = max(p.longest, 2*length)
	}
}

// step moves to the head that is to be looked at next, and begins its pass.
func (s *stream) step(from stepFrom) error {
	p := &s.at
	from.tolerance, from.l2 = s.cfg.Tolerance, s.base.L2
	from.s, from.y = p.s, p.y
	x, evaluations, err := s.sample.solve(s.ctx, from)
	if err != nil {
		return err
	}
	dim := s.k*s.f + s.k
	p.x, p.solved = x, p.solved+evaluations
	p.next, p.loss, p.size, p.square, p.own, p.parts = 0, 0, 0, 0, 0, [2]Measured{}
	if p.sum == nil {
		p.sum, p.best, p.bestGrad = make([]float64, dim), make([]float64, dim), make([]float64, dim)
	}
	clear(p.sum)
	s.keep.save(p.state(s.scale))
	return nil
}

// tell sends an event of a head that a pass was made for.
func (s *stream) tell(c certificate) {
	if s.cfg.Progress == nil {
		return
	}
	e := Event{Phase: PhaseFit, Done: s.at.pass, Total: s.cfg.Passes - 1, L2: s.base.L2, Loss: c.loss,
		Gradient: c.gradient, Gap: c.gap, TrainAccuracy: math.NaN(), ValidationLoss: math.NaN(),
		ValidationAccuracy: math.NaN()}
	if v := s.at.parts[0]; v.Rows > 0 {
		e.ValidationLoss, e.ValidationAccuracy = v.Loss/float64(v.Rows), float64(v.Right)/float64(v.Rows)
	}
	s.cfg.Progress(e)
}

// end gets what is still wanted of the best head, where the last pass was of another: its logits of held
// rows, and what both parts are answered; or where only a part of that pass was made by this run: the logits.
func (s *stream) end(last bool, resumed int) error {
	p := &s.at
	if last && (resumed == 0 || s.cfg.Held == 0) {
		return nil
	}
	to := resumed
	if !last {
		copy(p.x, p.best)
		p.parts, to = [2]Measured{}, math.MaxInt
	}
	return s.measure(to, !last)
}
