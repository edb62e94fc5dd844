#![allow(warnings, clippy::all, clippy::pedantic)]
use std::sync::Arc;
use std::collections::HashMap;
use thermocline_simulator::*;
use thermocline_policy::*;
use thermocline_resident_set::ResidentSet;

static DM: std::sync::Mutex<Option<HashMap<u64, (i64, Vec<u8>, Vec<u8>)>>> = std::sync::Mutex::new(None);
static GEO: std::sync::Mutex<Option<HashMap<u64, (u128, u128, bool, f64)>>> = std::sync::Mutex::new(None);
#[derive(Debug, Clone)]
struct Proto { mode: String, half: f64, half2: f64, budget: f64, w: f64, pw: f64 }
impl Policy for Proto {
    fn describe() -> Description { Description { name: "proto".into(), version: "0.1.0".into(), summary: "x".into(), config_schema: NO_SETTINGS.into() } }
    fn configure(_: &str) -> Result<Self, String> { Err("x".into()) }
    fn select(&self, t: &Tenant, l: &dyn Layers, memory: &[u8]) -> Result<Selection, String> {
        let n = l.rows() as usize;
        let rt = l.resident_times(); let (marks, ids, counts, sizes, lsns) = (l.marks(), l.ids(), l.access_counts(), l.file_sizes(), l.lsn_ends());
        let mut prev: HashMap<u64, (f64, f64, f64, u32)> = HashMap::new(); let mut gains = [0f64; 8];
        let mut prev_now = t.now;
        if memory.len() >= 8 { prev_now = i64::from_le_bytes(memory[..8].try_into().unwrap());
            for k in 0..8 { gains[k] = f32::from_le_bytes(memory[8+4*k..12+4*k].try_into().unwrap()) as f64; } for c in memory[40..].chunks(24) { let f = |i: usize| f32::from_le_bytes(c[i..i+4].try_into().unwrap()) as f64;
                prev.insert(u64::from_le_bytes(c[..8].try_into().unwrap()), (f(8), f(12), f(16), f(20) as u32)); } }
        let dt = (t.now - prev_now) as f64;
        let mut score = vec![0f64; n];
        let mut mem = t.now.to_le_bytes().to_vec(); mem.extend([0u8; 32]); let mut captured = [0f64; 8]; let mut experts: Vec<Vec<f64>> = vec![vec![0.0; n]; 6]; let at = l.access_times();
        let (ksh, ksl, keh, kel) = (l.key_starts_high(), l.key_starts_low(), l.key_ends_high(), l.key_ends_low());
        let kstart = |i: usize| (ksh[i] as u128) << 64 | ksl[i] as u128; let kend = |i: usize| (keh[i] as u128) << 64 | kel[i] as u128;
        let sw: f64 = std::env::var("SW").ok().map_or(0.15, |x| x.parse().unwrap()); let prior_w: f64 = std::env::var("PRIOR").ok().map_or(0.0, |x| x.parse().unwrap());
        let mut prior = vec![(0f64, 0f64); n];
        if prior_w > 0.0 {
            let mut g = GEO.lock().unwrap(); let g = g.get_or_insert_with(HashMap::new);
            let now_ids: std::collections::HashSet<u64> = ids.iter().copied().collect();
            let gone: Vec<_> = prev.iter().filter(|(id, _)| !now_ids.contains(id)).filter_map(|(id, p)| g.get(id).map(|x| (*x, p.1, p.2))).collect();
            // old images (alive or gone) rates
            let mut imgs: Vec<(u128, u128, f64, f64)> = vec![];
            for (x, f, s) in &gone { if !x.2 { imgs.push((x.0, x.1, *f, *s)); } }
            for i in 0..n { if !Marks(marks[i]).is_delta() { if let Some(p) = prev.get(&ids[i]) { imgs.push((kstart(i), kend(i), p.1, p.2)); } } }
            let deltas: Vec<_> = gone.iter().filter(|(x, _, _)| x.2).collect();
            let l0f: f64 = deltas.iter().filter(|(x, _, _)| x.0 == 0).map(|d| d.1).sum(); let l0s: f64 = deltas.iter().filter(|(x, _, _)| x.0 == 0).map(|d| d.2).sum();
            let allf: f64 = imgs.iter().map(|x| x.2).sum(); let alls: f64 = imgs.iter().map(|x| x.3).sum();
            for i in 0..n { if !prev.contains_key(&ids[i]) && !prev.is_empty() && !Marks(marks[i]).is_l0() {
                let (a, b) = (kstart(i), kend(i));
                let (mut f, mut s) = (0.0, 0.0);
                for x in &imgs { let o = x.1.min(b).saturating_sub(x.0.max(a)); if o > 0 { let fr = o as f64 / (x.1 - x.0) as f64; f += x.2 * fr; s += x.3 * fr; } }
                if Marks(marks[i]).is_delta() { f = (f / allf.max(1e-9) * l0f).min(f); s = (s / alls.max(1e-9) * l0s).min(s); }
                prior[i] = (f, s);
            } }
            for i in 0..n { g.insert(ids[i], (kstart(i), kend(i), Marks(marks[i]).is_delta(), 0.0)); }
        }
        let total: f64 = (0..n).map(|i| { let c0 = prev.get(&ids[i]).map_or(0.0, |p| p.0); let c = counts[i] as f64; if c >= c0 { c - c0 } else { c } }).sum();
        let norm = if self.pw > 0.0 { 1000.0 / (total + self.pw) } else { 1.0 };
        for i in 0..n {
            let known = prev.contains_key(&ids[i]); let (c0, f0, s0, mask) = prev.get(&ids[i]).copied().unwrap_or((0.0, 0.0, 0.0, 0));
            let c = counts[i] as f64;
            let d = if c >= c0 { c - c0 } else { c };
            let dd = d * norm; for k in 0..6 { if mask >> k & 1 == 1 { captured[k] += d; } }
            let f = f0 * (-dt / self.half).exp2() + dd;
            let s = s0 * (-dt / self.half2).exp2() + dd;
            let since = rt[i]; let age = if since > 0 { ((t.now - since) as f64).max(self.w.max(1.0)) } else { 1e9 };
            // before it was there: as its place was
            let (mut f, mut s) = (f, s);
            if prior_w > 0.0 && !known {
                let age = age.min(1e6);
                f += prior[i].0 * (-age.min(dt) / self.half).exp2() * prior_w; s += prior[i].1 * (-age.min(dt) / self.half2).exp2() * prior_w;
            }
            mem.extend(ids[i].to_le_bytes()); for x in [c, f, s] { mem.extend((x as f32).to_le_bytes()); } mem.extend(0f32.to_le_bytes());
            let size = sizes[i].max(1) as f64;
            let since = rt[i]; let age = if since > 0 { ((t.now - since) as f64).max(self.w.max(1.0)) } else { 1e9 };
            let obs = |h: f64| if prior_w > 0.0 && prior[i].0 > 0.0 { 1.0 } else { (1.0 - (-age / h).exp2()) };
            experts[0][i] = (f / obs(self.half) + sw * s / obs(self.half2)) / size;
            experts[1][i] = s / obs(self.half2) / size;
            experts[2][i] = lsns[i] as f64;
            experts[3][i] = (t.now - at[i] + 1) as f64;
            experts[4][i] = f / obs(self.half) / size;
            experts[5][i] = at[i] as f64;
            score[i] = match self.mode.as_str() {
                "freq" => f,
                "density" => f / size,
                "rate" => f / obs(self.half) / size,
                "rate2" | "region" => (f / obs(self.half) + sw * s / obs(self.half2)) / size,
                "slow" => s / size,
                "sqrt" => f.sqrt() / size,
                "mix" => (f + self.w * s) / size,
                "last" => d / size,
                _ => lsns[i] as f64,
            };
        }
        if self.mode == "region" {
            let (ksh, ksl, keh, kel) = (l.key_starts_high(), l.key_starts_low(), l.key_ends_high(), l.key_ends_low());
            let start = |i: usize| (ksh[i] as u128) << 64 | ksl[i] as u128; let end = |i: usize| (keh[i] as u128) << 64 | kel[i] as u128;
            let vis = |i: usize| Marks(marks[i]).is_resident() && Marks(marks[i]).is_visible();
            let mut images: Vec<usize> = (0..n).filter(|i| vis(*i) && !Marks(marks[*i]).is_delta()).collect();
            images.sort_by_key(|i| start(*i));
            let rate: Vec<f64> = (0..n).map(|i| score[i] * sizes[i] as f64).collect();
            let mut kids: Vec<Vec<(f64, f64, usize)>> = vec![vec![]; images.len()];
            let mut out = score.clone();
            for d in (0..n).filter(|i| vis(*i) && Marks(marks[*i]).is_delta() && !Marks(marks[*i]).is_l0()) {
                let a = images.partition_point(|i| end(*i) <= start(d)); let b = images.partition_point(|i| start(*i) < end(d));
                if b - a > 16 || b <= a { continue; }
                let tot: f64 = images[a..b].iter().map(|i| rate[*i]).sum();
                out[d] = 0.0;
                for k in a..b { let share = if tot > 0.0 { rate[images[k]] / tot } else { 1.0 / (b - a) as f64 }; kids[k].push((rate[d] * share, sizes[d] as f64 * share, d)); }
            }
            for (k, &i) in images.iter().enumerate() {
                let used: f64 = kids[k].iter().map(|x| x.0).sum();
                let (mut r, mut sz) = ((rate[i] - used).max(0.0), sizes[i] as f64);
                kids[k].sort_by(|a, b| (b.0 / b.1.max(1.0)).total_cmp(&(a.0 / a.1.max(1.0))));
                let mut m = 0;
                while m < kids[k].len() && kids[k][m].0 / kids[k][m].1.max(1.0) > r / sz { r += kids[k][m].0; sz += kids[k][m].1; m += 1; }
                out[i] = r / sz;
                for (x, kid) in kids[k].iter().enumerate() { let h = if x < m { r / sz } else { kid.0 / kid.1.max(1.0) }; if h > out[kid.2] { out[kid.2] = h; } }
            }
            score = out;
        }
        let mut dmem: Vec<u8> = vec![];
        if self.mode == "dexpert" {
            let half = self.half; let half2 = self.half2;
            // memory: [u32 len1][decay1][u32 len2][decay2][rest]
            let cut = |m: &[u8], k: usize| -> (Vec<u8>, Vec<u8>) { let a = u32::from_le_bytes(m[..4].try_into().unwrap()) as usize; let b = &m[4 + a..]; (m[4..4 + a].to_vec(), b.to_vec()) };
            let key = self.budget.to_bits() ^ self.half.to_bits();
            let st = DM.lock().unwrap().get_or_insert_with(HashMap::new).get(&key).cloned().unwrap_or_default();
            let (m1, m2) = if t.now < st.0 { (vec![], vec![]) } else { (st.1.clone(), st.2.clone()) };
            let run = |h: f64, m: &[u8]| { let d = thermocline_decay::Decay::configure(&format!("{{\"half_life_s\":{}}}", h as u64)).unwrap(); d.select(t, l, m).unwrap() };
            let (a, b) = (run(half, &m1), run(half2, &m2));
            let mut h1 = vec![0f64; n]; let mut h2 = vec![0f64; n];
            for (r, h) in a.rows.iter().zip(a.heats.iter().flatten()) { h1[*r as usize] = *h as f64; }
            for (r, h) in b.rows.iter().zip(b.heats.iter().flatten()) { h2[*r as usize] = *h as f64; }
            DM.lock().unwrap().as_mut().unwrap().insert(key, (t.now, a.memory.to_vec(), b.memory.to_vec()));
            for i in 0..n { experts[0][i] = h1[i] + self.w * h2[i]; experts[1][i] = h2[i]; experts[4][i] = h1[i]; }
        }
        if self.mode == "expert" || self.mode == "dexpert" {
            let resident: u64 = (0..n).filter(|i| Marks(marks[*i]).is_resident()).map(|i| sizes[i]).sum();
            let budget = (resident as f64 * self.budget) as u64;
            let mut masks = vec![0u32; n]; let readb: u64 = (0..n).filter(|i| at[*i] > prev_now).map(|i| sizes[i]).sum();
            for k in 0..6 {
                let mut order: Vec<usize> = (0..n).filter(|i| Marks(marks[*i]).is_resident() && Marks(marks[*i]).is_visible()).collect();
                order.sort_by(|a, b| experts[k][*b].total_cmp(&experts[k][*a]).then(lsns[*b].cmp(&lsns[*a])));
                let mut room = budget; let mut skip = if k == 3 { readb / 2 } else { 0 };
                for i in order { if skip > 0 && sizes[i] <= skip { skip -= sizes[i]; continue; } if sizes[i] <= room { room -= sizes[i]; masks[i] |= 1 << k; } }
            }
            let tot: f64 = total.max(1e-9);
            let mut best = 0;
            for k in 0..6 { if total > 0.0 && !prev.is_empty() { gains[k] = 0.7 * gains[k] + 0.3 * captured[k] / tot; } }
            for k in 1..6 { if gains[k] > gains[best] + 0.03 { best = k; } }
            for k in 0..6 { mem[8+4*k..12+4*k].copy_from_slice(&(gains[k] as f32).to_le_bytes()); }
            for i in 0..n { mem[40 + 24*i + 20..40 + 24*i + 24].copy_from_slice(&(masks[i] as f32).to_le_bytes()); }
            if std::env::var_os("EXP").is_some() { println!("now {} best {} gains {:.3?} captured {:.3?}", t.now - 1700000000, best, &gains[..6], captured.iter().take(6).map(|c| c / tot).collect::<Vec<_>>()); }
            score = experts[best].clone(); if best == 3 { for i in 0..n { if masks[i] >> 3 & 1 == 0 { score[i] = 0.0; } } }
        }
        let fl: f64 = std::env::var("FLOOR").ok().map_or(0.0, |x| x.parse().unwrap());
        if fl > 0.0 {
            let resident: u64 = (0..n).filter(|i| Marks(marks[*i]).is_resident()).map(|i| sizes[i]).sum();
            let mut room = (resident as f64 * self.budget * fl) as u64;
            let mut cats: Vec<usize> = (0..n).filter(|i| Marks(marks[*i]).is_visible() && !Marks(marks[*i]).is_delta() && ((ksl[*i] >> 40) as u32 & 0xffffff | ((ksh[*i] & 0xff) << 24) as u32) < 16384).collect();
            cats.sort_by(|a, b| score[*b].total_cmp(&score[*a]));
            for i in cats { if sizes[i] <= room { room -= sizes[i]; score[i] = 1e30; } }
        }
        let mut rows: Vec<u32> = (0..n as u32).filter(|i| Marks(marks[*i as usize]).is_resident() && Marks(marks[*i as usize]).is_visible()).collect();
        rows.sort_by(|a, b| score[*b as usize].total_cmp(&score[*a as usize]).then(lsns[*b as usize].cmp(&lsns[*a as usize])));
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
        if let Ok(k) = a.parse::<trace::Kind>() { traces.push(k.generate(1)); }
        else if a.contains(".csv") { traces.push(Trace::read(a.as_ref()).unwrap()); }
        else { modes.push(a.clone()); }
    }
    for trace in &traces {
        let mut settings = Settings::for_trace(trace);
        if let Ok(d) = std::env::var("DISK") { settings.disk = Room::Share(d.parse().unwrap()); }
        if let Ok(d) = std::env::var("LAYER") { settings.rules.layer_bytes = d.parse::<u64>().unwrap() << 10; settings.rules.checkpoint_distance_bytes = 2 * settings.rules.layer_bytes; }
        if let Ok(d) = std::env::var("BW") { settings.bandwidth_bytes_per_s = d.parse::<u64>().unwrap() << 20; }
        if let Ok(d) = std::env::var("CHANGE") { settings.rules.change_bytes = d.parse().unwrap(); }
        settings.budgets = vec![0.1, 0.25, 0.5];
        let mut contestants = vec![Contestant { name: "resident-set".into(), deciders: vec![Arc::new(Native(ResidentSet)); 3] }];
        for m in &modes {
            if m.starts_with("decay") { let cfg = m.strip_prefix("decay=").unwrap_or("{}"); contestants.push(Contestant { name: m.clone(), deciders: vec![Arc::new(Native(thermocline_decay::Decay::configure(cfg).unwrap())); 3] }); continue; }
            let p: Vec<&str> = m.split(':').collect();
            let num = |i: usize, d: f64| p.get(i).map_or(d, |x| x.parse().unwrap());
            let deciders = settings.budgets.iter().map(|b| Arc::new(Native(Proto { mode: p[0].into(), half: num(1, 60.0), half2: num(2, 900.0), budget: *b, w: num(3, 0.2), pw: num(4, 0.0) })) as Arc<dyn Decider>).collect();
            contestants.push(Contestant { name: m.clone(), deciders });
        }
        let t = std::time::Instant::now();
        if let Ok(d) = std::env::var("SEEDS") {
            let mut sums: HashMap<String, (f64, f64, f64)> = HashMap::new(); let n: u64 = d.parse().unwrap();
            for seed in 0..n { settings.seed = seed; let r = simulate(trace, None, &contestants, &settings, |_| {}).unwrap();
                for r in r.rows { if r.budget == 0.25 { let e = sums.entry(r.policy).or_default(); e.0 += r.hit_10s.unwrap_or(0.0); e.1 += r.hit_60s.unwrap_or(0.0); e.2 += r.hit_600s.unwrap_or(0.0); } } }
            println!("== {} {:?}", trace.name(), t.elapsed());
            let c = sums["clairvoyant"];
            for x in contestants.iter().map(|c| c.name.clone()).chain(["clairvoyant".to_string()]) { let v = sums[&x]; let n = n as f64; println!("{:>24} {:.3} {:.3} {:.3}   of clair {:.3} {:.3} {:.3}", x, v.0/n, v.1/n, v.2/n, v.0/c.0, v.1/c.1, v.2/c.2); }
            continue;
        }
        let report = simulate(trace, None, &contestants, &settings, |_| {}).unwrap();
        println!("== {} pages {} accesses {} layer {} KiB, {:?}", trace.name(), trace.page_count(), trace.accesses().len(), settings.rules.layer_bytes >> 10, t.elapsed());
        for r in &report.rows {
            if r.policy == "nothing" { continue; }
            println!("{:>16} {:4.2}  {:.3} {:.3} {:.3}  held {:5.1} fetched {:5.1} unread {:5.1} MiB", r.policy, r.budget, r.hit_10s.unwrap_or(-1.0), r.hit_60s.unwrap_or(-1.0), r.hit_600s.unwrap_or(-1.0), r.bytes_held as f64 / 1048576.0, r.bytes_fetched as f64 / 1048576.0, r.bytes_unread as f64 / 1048576.0);
        }
    }
}
