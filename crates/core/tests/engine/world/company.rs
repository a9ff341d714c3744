//! Frames that travel in company instead of one by one.

use std::collections::VecDeque;

use tacite_core::Input;
use tacite_wire::Frame;

use super::World;

impl World {
    /// All frames that are on their way to a device get there together; false if there was none.
    pub(crate) fn arrive_together(&mut self, name: &'static str) -> bool {
        let inputs: Vec<_> = self.take_down(name).into_iter().map(Input::Frame).collect();
        let is_any = !inputs.is_empty();
        if is_any {
            self.inputs(name, inputs);
        }
        is_any
    }

    /// All frames that are on their way to the server get there.
    pub(crate) fn go_up(&mut self) {
        while let Some((link_id, frame)) = self.up.pop_front() {
            self.server.receive(link_id, &frame);
        }
        self.collect();
    }

    fn take_down(&mut self, name: &str) -> Vec<Frame> {
        self.collect();
        let link = self.device(name).link;
        let (arriving, later): (VecDeque<_>, VecDeque<_>) =
            self.down.drain(..).partition(|(of, _)| Some(*of) == link);
        self.down = later;
        arriving.into_iter().map(|(_, frame)| frame).collect()
    }
}
