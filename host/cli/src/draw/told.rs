//! What a mark says when it is pointed at.

use thermocline::heatmap::HeatmapLayer;

use super::axes::page;
use super::marks::{Gathered, Mark};
use super::panel::Layer;
use crate::output::{bytes, count, heat};

pub(super) fn told(mark: &Mark) -> String {
    match mark {
        Mark::Layer(_, layer) => of_one(layer),
        Mark::Several(_, gathered) => of_several(gathered),
    }
}

fn of_one(layer: &Layer) -> String {
    let Layer { listed: HeatmapLayer { name, metadata, cold, heat: scored, .. }, covered } = layer;
    let kind = match (name.is_delta(), name.is_l0()) {
        (false, _) => "image",
        (true, false) => "delta",
        (true, true) => "L0 delta",
    };
    let temperature = if *cold { "cold" } else { "hot" };
    let scored = scored.map_or("not scored".into(), |scored| format!("heat {}", heat(scored)));
    let covered = if *covered { ", covered" } else { "" };
    let generation = metadata.generation.get().map_or(String::new(), |number| format!(", generation {number}"));
    let lsns = if name.is_delta() {
        format!("LSN {} to {}", name.lsn_start(), name.lsn_end())
    } else {
        format!("LSN {}", name.lsn_start())
    };
    let keys =
        if name.is_l0() { "all".into() } else { format!("{} to {}", page(&name.key_start()), page(&name.key_end())) };
    let size = bytes(metadata.file_size);
    format!("{name}\n{kind}, {temperature}{covered}, {scored}, {size}{generation}\n{lsns}\nkeys {keys}")
}

fn of_several(gathered: &Gathered) -> String {
    let Gathered { layers, bytes: size, cold, covered, hottest } = *gathered;
    let hottest = hottest.map_or(String::new(), |hottest| format!(", the hottest of heat {}", heat(hottest)));
    let of_them = |number: u64, what: &str| if number == 0 { String::new() } else { format!(", {number} {what}") };
    let (cold, covered) = (of_them(cold, "cold"), of_them(covered, "covered"));
    format!("{}, {}{cold}{covered}{hottest}", count(layers, "layer"), bytes(size))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use thermocline::layer::{Generation, LayerMetadata};

    use super::*;

    const IMAGE: &str = "000000067F00004002000089C30000000007-000000067F00004002000089C30000004000__0000001C760FA190";
    const L0: &str =
        "000000000000000000000000000000000000-FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF__0000000000000010-0000000000000020";

    #[rstest]
    #[case::image(
        IMAGE,
        false,
        Some(0.25),
        3,
        "image, hot, heat 0.25, 2.0 KiB, generation 3\nLSN 1C/760FA190\n\
        keys 1663/16386/35267 block 7 to 1663/16386/35267 block 16384"
    )]
    #[case::l0(
        L0,
        true,
        None,
        3,
        "L0 delta, cold, covered, not scored, 2.0 KiB, generation 3\nLSN 0/10 to 0/20\nkeys all"
    )]
    fn a_layer_says_all_that_there_is(
        #[case] name: &str,
        #[case] cold: bool,
        #[case] heat: Option<f32>,
        #[case] generation: u32,
        #[case] told: &str,
    ) {
        let metadata =
            LayerMetadata { file_size: 2048, generation: Generation::new(generation), ..LayerMetadata::default() };
        let listed = HeatmapLayer { name: name.parse().unwrap(), metadata, access_time: 0, cold, heat };
        assert_eq!(of_one(&Layer { listed, covered: cold }), format!("{name}\n{told}"));
    }

    #[rstest]
    #[case(Gathered { layers: 2, bytes: 1024, ..Gathered::default() }, "2 layers, 1.0 KiB")]
    #[case(
        Gathered { layers: 9, bytes: 1024, cold: 8, covered: 1, hottest: Some(1.5) },
        "9 layers, 1.0 KiB, 8 cold, 1 covered, the hottest of heat 1.5"
    )]
    fn several_say_how_many_they_are(#[case] gathered: Gathered, #[case] told: &str) {
        assert_eq!(of_several(&gathered), told);
    }
}
