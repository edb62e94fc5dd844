//! Visibility is that of the pageserver whose layer maps these are.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests fail as tests do")]

mod support;

use std::fs;
use std::path::Path;

use serde_json::Value;
use support::real_data;
use thermocline::layer::{LayerName, Lsn, visibility};

fn json(path: &Path) -> Value {
    let response: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    response["body"].clone()
}

fn lsn(value: &Value) -> Option<Lsn> {
    value.as_str().map(|text| text.parse().unwrap())
}

#[test]
fn every_layer_is_as_visible_as_in_the_original() {
    let Some(folder) = real_data("pageserver/layer-maps") else { return };
    let (mut layers_seen, mut covered_seen) = (0, 0);
    for entry in fs::read_dir(&folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        // Of each tenant, the list of its timelines: the branch points of one are told by the others.
        let [tenant, "timeline", "json"] = name.split('.').collect::<Vec<_>>()[..] else { continue };
        let timelines = json(&folder.join(&name));
        for timeline in timelines.as_array().unwrap() {
            let id = timeline["timeline_id"].as_str().unwrap();
            let children = timelines.as_array().unwrap().iter().filter(|child| child["ancestor_timeline_id"] == id);
            let mut read_points: Vec<_> = children.filter_map(|child| lsn(&child["ancestor_lsn"])).collect();
            read_points.extend(lsn(&timeline["last_record_lsn"]));

            let map = json(&folder.join(format!("{tenant}.{id}.layer.json")));
            let layers = map["historic_layers"].as_array().unwrap();
            let names: Vec<LayerName> =
                layers.iter().map(|layer| layer["layer_file_name"].as_str().unwrap().parse().unwrap()).collect();
            for (layer, ours) in layers.iter().zip(visibility::visible(&names, &read_points)) {
                let name = &layer["layer_file_name"];
                assert_eq!(Some(ours), layer["access_stats"]["visible"].as_bool(), "{tenant} {id} {name}");
                layers_seen += 1;
                covered_seen += usize::from(!ours);
            }
        }
    }
    assert_eq!((layers_seen, covered_seen), (362, 49), "the layer maps are not those that were captured");
}
