#![allow(warnings, clippy::all, clippy::pedantic)]
use std::collections::HashMap;
use std::sync::Arc;
use thermocline_policy::*;
use thermocline_resident_set::ResidentSet;
use thermocline_simulator::*;

#[derive(Debug, Clone)]
struct Proto {
    mode: String,
    half: f64,
    half2: f64,
    budget: f64,
}
impl Policy for Proto {
    fn describe() -> Description {
        Description {
            name: "proto".into(),
            version: "0.1.0".into(),
            summary: "x".into(),
            config_schema: NO_SETTINGS.into(),
        }
    }
    fn configure(_: &str) -> Result<Self, String> {
        Err("x".into())
    }
    fn select(&self, t: &Tenant, l: &dyn Layers, memory: &[u8]) -> Result<Selection, String> {
        let n = l.rows() as usize;
        let (marks, ids, counts, sizes, lsns) = (l.marks(), l.ids(), l.access_counts(), l.file_sizes(), l.lsn_ends());
        let mut prev: HashMap<u64, (f64, f64, f64)> = HashMap::new();
        let mut prev_now = t.now;
        if memory.len() >= 8 {
            prev_now = i64::from_le_bytes(memory[..8].try_into().unwrap());
            for c in memory[8..].chunks(32) {
                let f = |i: usize| f64::from_le_bytes(c[i..i + 8].try_into().unwrap());
                prev.insert(u64::from_le_bytes(c[..8].try_into().unwrap()), (f(8), f(16), f(24)));
            }
        }
        let dt = (t.now - prev_now) as f64;
        let mut score = vec![0f64; n];
        let mut mem = t.now.to_le_bytes().to_vec();
        for i in 0..n {
            let (c0, f0, s0) = prev.get(&ids[i]).copied().unwrap_or((0.0, 0.0, 0.0));
            let c = counts[i] as f64;
            let d = if c >= c0 { c - c0 } else { c };
            let f = f0 * (-dt / self.half).exp2() + d;
            let s = s0 * (-dt / self.half2).exp2() + d;
            mem.extend(ids[i].to_le_bytes());
            for x in [c, f, s] {
                mem.extend(x.to_le_bytes());
            }
            let size = sizes[i].max(1) as f64;
            score[i] = match self.mode.as_str() {
                "freq" => f,
                "density" => f / size,
                "slow" => s / size,
                "sqrt" => f.sqrt() / size,
                "mix" => (f + 0.2 * s) / size,
                "last" => d / size,
                _ => lsns[i] as f64,
            };
        }
        if self.mode == "region" { /* later */ }
        let mut rows: Vec<u32> = (0..n as u32)
            .filter(|i| Marks(marks[*i as usize]).is_resident() && Marks(marks[*i as usize]).is_visible())
            .collect();
        rows.sort_by(|a, b| {
            score[*b as usize].total_cmp(&score[*a as usize]).then(lsns[*b as usize].cmp(&lsns[*a as usize]))
        });
        let mut s = Selection::hot(rows);
        s.memory = mem.into();
        Ok(s)
    }
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let mut traces = vec![];
    let mut modes: Vec<String> = vec![];
    for a in &args[1..] {
        if let Ok(k) = a.parse::<trace::Kind>() {
            traces.push(k.generate(1));
        } else if a.contains(".csv") {
            traces.push(Trace::read(a.as_ref()).unwrap());
        } else {
            modes.push(a.clone());
        }
    }
    for trace in &traces {
        let mut settings = Settings::for_trace(trace);
        if let Ok(d) = std::env::var("DISK") {
            settings.disk = Room::Share(d.parse().unwrap());
        }
        if let Ok(d) = std::env::var("LAYER") {
            settings.rules.layer_bytes = d.parse::<u64>().unwrap() << 10;
            settings.rules.checkpoint_distance_bytes = 2 * settings.rules.layer_bytes;
        }
        if let Ok(d) = std::env::var("CHANGE") {
            settings.rules.change_bytes = d.parse().unwrap();
        }
        settings.budgets = vec![0.1, 0.25, 0.5];
        let mut contestants =
            vec![Contestant { name: "resident-set".into(), deciders: vec![Arc::new(Native(ResidentSet)); 3] }];
        for m in &modes {
            let p: Vec<&str> = m.split(':').collect();
            let num = |i: usize, d: f64| p.get(i).map_or(d, |x| x.parse().unwrap());
            let deciders = settings
                .budgets
                .iter()
                .map(|b| {
                    Arc::new(Native(Proto { mode: p[0].into(), half: num(1, 60.0), half2: num(2, 900.0), budget: *b }))
                        as Arc<dyn Decider>
                })
                .collect();
            contestants.push(Contestant { name: m.clone(), deciders });
        }
        let t = std::time::Instant::now();
        let report = simulate(trace, None, &contestants, &settings, |_| {}).unwrap();
        println!(
            "== {} pages {} accesses {} layer {} KiB, {:?}",
            trace.name(),
            trace.page_count(),
            trace.accesses().len(),
            settings.rules.layer_bytes >> 10,
            t.elapsed()
        );
        for r in &report.rows {
            if r.policy == "nothing" {
                continue;
            }
            println!(
                "{:>16} {:4.2}  {:.3} {:.3} {:.3}  held {:5.1} fetched {:5.1} unread {:5.1} MiB",
                r.policy,
                r.budget,
                r.hit_10s.unwrap_or(-1.0),
                r.hit_60s.unwrap_or(-1.0),
                r.hit_600s.unwrap_or(-1.0),
                r.bytes_held as f64 / 1048576.0,
                r.bytes_fetched as f64 / 1048576.0,
                r.bytes_unread as f64 / 1048576.0
            );
        }
    }
}
